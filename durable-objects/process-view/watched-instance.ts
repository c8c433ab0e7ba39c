import type { ProcessDefinition } from '../../src/processes/definition.ts'
import type { InstanceEntry, StoredInstance } from '../../src/processes/tracker.ts'
import { processChannel } from '../../src/protocol/channels.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { WatchedHistory } from '../shared/history-stream.ts'
import type { SqlProcessStore } from './sql-process-store.ts'

/** The history of an instance as its watchers follow it. */
export const watchedInstance = (
  store: SqlProcessStore,
  { name, watchers }: ProcessDefinition,
  { n, correlation, version, state, entries }: StoredInstance,
): WatchedHistory => ({
  channel: processChannel(name, correlation),
  // An instance of the same correlation id that was deleted has another number.
  epoch: `${store.epoch}.${n}`,
  top: entries,
  watchers,
  after: (entry) => store.entries(n, entry).map(publicationOf),
  kept: () => store.entries(n).map(publicationOf),
  data: () => JSON.stringify({ process: name, correlation, version, state }),
})

const publicationOf = (entry: InstanceEntry): Publication => ({ offset: entry.n, data: JSON.stringify(entry) })

import { sagaChannel } from '../../src/protocol/channels.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import { historyAfter } from '../../src/sagas/interventions.ts'
import type { HistoryEntry, Run } from '../../src/sagas/run.ts'
import { viewOf } from '../../src/sagas/view.ts'
import type { WatchedHistory } from '../shared/history-stream.ts'

/** The history of a run as its watchers follow it. */
export const watchedRun = (run: Run): WatchedHistory => ({
  channel: sagaChannel(run.id),
  // A run of the same id that was deleted and started anew has another history.
  epoch: run.startedAt.toString(36),
  top: run.entries,
  watchers: run.watchers,
  after: (n) => historyAfter(run, n)?.map(publicationOf),
  kept: () => run.history.map(publicationOf),
  data: () => JSON.stringify(viewOf(run)),
})

const publicationOf = (entry: HistoryEntry): Publication => ({ offset: entry.n, data: JSON.stringify(entry) })

import type { AppendedEvent, LogEvent, NewEvent } from '../events/log-event.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'

/** The events of one topic, as appending needs them. */
export interface AppendStore {
  /** The offset of the newest event, 0 before the first. */
  readonly top: number
  find(source: string, id: string): LogEvent | undefined
  /** Stores an event at the offset behind `top`. */
  insert(event: NewEvent, now: number): LogEvent
}

/** What became of the events of one call: all of them are in the log, or none was added. */
export type Appended = { readonly kind: 'appended'; readonly events: readonly AppendedEvent[] } | Refusal

/**
 * Appends events in the order given. One that is there already by source and id is not added again; one that has the source
 * and id of another event refuses all, but is taken for the same where `isOwn`: a message may have been deleted since it was first
 * published. `added` is called for each new event.
 */
export function append(
  store: AppendStore,
  events: readonly NewEvent[],
  now: number,
  added: (event: LogEvent) => void = () => undefined,
  isOwn = false,
): Appended {
  const known = events.map(({ source, id }) => store.find(source, id))
  const inCall = new Map<string, NewEvent>()
  for (const [index, event] of events.entries()) {
    const name = JSON.stringify([event.source, event.id])
    const other = known[index] ?? inCall.get(name)
    if (other !== undefined && !isOwn && !isSame(other, event)) return conflict(event, index)
    inCall.set(name, event)
  }
  const offsets = new Map<string, number>()
  return {
    kind: 'appended',
    events: events.map((event, index) => {
      const name = JSON.stringify([event.source, event.id])
      const before = known[index]?.offset ?? offsets.get(name)
      if (before !== undefined) return { offset: before, duplicate: true }
      const stored = store.insert(event, now)
      offsets.set(name, stored.offset)
      added(stored)
      return { offset: stored.offset, duplicate: false }
    }),
  }
}

const isSame = (one: NewEvent, other: NewEvent): boolean =>
  one.type === other.type && one.data === other.data && one.key === other.key && one.version === other.version

const conflict = ({ id, source }: NewEvent, index: number): Refusal =>
  refuse('conflict', `events.${index}.id: ${id} of source ${source} is another event; give each event an id of its own`)

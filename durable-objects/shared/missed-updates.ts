import type { ChannelUpdate, EphemeralEvent, StreamUpdate } from '../../src/protocol/stream.ts'
import { priorityOfEvent } from './overload.ts'

/** After this many attempts to call a gateway, further ones carry only the position. */
const wholeAttempts = 4

/**
 * Keeps only the newest publications for a gateway that does not keep up: it sees the gap before them and asks for what it
 * lacks, or has its subscribers start over. Ephemeral events are dropped, events that end subscriptions are not.
 */
export function newestOnly(waiting: readonly StreamUpdate[]): StreamUpdate[] {
  const newest = waiting.at(-1)
  if (newest === undefined) return []
  const events = waiting.flatMap((update) => update.events.filter((each) => priorityOfEvent(each) === undefined))
  return [{ ...newest, events }]
}

/** Ephemeral events are kept nowhere else: a gateway that is so far behind gets the newest, and those that end subscriptions. */
export function withoutOldEvents(waiting: readonly StreamUpdate[]): StreamUpdate[] {
  const last = waiting.length - 1
  return waiting
    .map((update, place) => (place === last ? update : { ...update, events: update.events.filter(isLasting) }))
    .filter(({ publications, events }) => publications.length + events.length > 0)
}

/** An update of a later attempt. Publications of a stream without positions cannot be told from repeats, so they are sent once. */
export function repeated(update: ChannelUpdate, attempt: number): ChannelUpdate {
  if (attempt > wholeAttempts) return reminderOf(update)
  if (update.epoch !== '') return update
  return { ...update, events: update.events.filter(({ kind }) => kind !== 'pub') }
}

/** The position alone, by which a gateway sees what it lacks, and the events that end subscriptions. */
function reminderOf({ publications, events, ...rest }: ChannelUpdate): ChannelUpdate {
  const after = publications.at(-1)?.offset ?? rest.after
  return { ...rest, after, publications: [], events: events.filter(isLasting) }
}

const isLasting = ({ kind }: EphemeralEvent): boolean => kind === 'removed' || kind === 'revoked' || kind === 'listed'

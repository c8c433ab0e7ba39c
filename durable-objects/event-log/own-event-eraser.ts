import { authorIn, editedIn, eventWithout, withoutContent } from '../../src/conversations/erased-events.ts'
import { inJson, type ErasedUser } from '../../src/events/erased-user.ts'
import type { EventName, LogEvent } from '../../src/events/log-event.ts'
import type { ErasedEvents } from '../contracts.ts'
import type { SqlEventStore } from './sql-event-store.ts'

/** Offsets that one call looks at, and events that it changes. */
const offsetsPerCall = 5000
const changesPerCall = 500

/** Rewrites Parley's own events: without the content of deleted messages, and without an erased user. Every call may be repeated. */
export class OwnEventEraser {
  readonly #events: SqlEventStore

  constructor(events: SqlEventStore) {
    this.#events = events
  }

  /** Removes the content of messages that were deleted, and of their edits. */
  empty(names: readonly EventName[]): void {
    for (const { source, id } of names) {
      const event = this.#events.find(source, id)
      if (event !== undefined) this.#rewrite(event, withoutContent(event))
    }
  }

  /** Erases a user from the events after an offset. `unknown` are edits by others of messages whose authors are not known here. */
  eraseSome(erased: ErasedUser, after: number): ErasedEvents {
    const upTo = Math.min(after + offsetsPerCall, this.#events.top)
    const withEdits = erased.messages === 'delete'
    const events = this.#events.naming(inJson(erased.user), withEdits, after, upTo, changesPerCall)
    const unknown: ErasedEvents['unknown'][number][] = []
    let count = 0
    for (const event of events) {
      const edited = withEdits ? editedIn(event, erased) : undefined
      const created = edited === undefined ? undefined : this.#events.find(event.source, edited.id)
      if (edited !== undefined && created === undefined) {
        const conversation = event.key ?? ''
        unknown.push({ offset: event.offset, conversation, ref: edited.ref })
      }
      const author = created === undefined ? undefined : authorIn(created)
      const isTheirs = author === erased.user || author === erased.pseudonym
      if (this.#rewrite(event, eventWithout(event, erased, isTheirs))) count++
    }
    const reached = events.length < changesPerCall ? upTo : (events.at(-1)?.offset ?? upTo)
    return { erased: count, next: reached < this.#events.top ? reached : null, unknown }
  }

  /** Erases the text of edits of which another store knows that they are of messages of the user. */
  eraseEdits(erased: ErasedUser, offsets: readonly number[]): number {
    let count = 0
    for (const offset of offsets) {
      const event = this.#events.at(offset)
      if (event !== undefined && this.#rewrite(event, eventWithout(event, erased, true))) count++
    }
    return count
  }

  #rewrite(before: LogEvent, after: LogEvent): boolean {
    const isChanged = after.data !== before.data || after.key !== before.key
    if (isChanged) this.#events.rewrite(after)
    return isChanged
  }
}

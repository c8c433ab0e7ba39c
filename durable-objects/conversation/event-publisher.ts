import {
  createdEvent,
  deletedBy,
  deletedEvent,
  entryName,
  eventOfEntry,
  maxListedMembers,
} from '../../src/conversations/published-events.ts'
import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import type { AppendEvents, EventName, NewEvent } from '../../src/events/log-event.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import type { Settings } from '../shared/settings.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { MemberTable } from './member-table.ts'
import type { MessageLog } from './message-log.ts'

/** Entries in one call of the log of events. */
const entriesPerCall = 200
/** Calls in one run; what is left goes with the next alarm. */
const callsPerRun = 20

type PublishedLog = Pick<MessageLog, 'top' | 'floor' | 'range'>
type PublishedSettings = Pick<Settings, 'get' | 'number' | 'set'>

/**
 * Appends what happens in the conversation to the tenant's own topic of events, while its tenant has a reader of it. The log of the
 * conversation is the outbox: `eventsUpTo` says up to which seq the topic has it. See docs/design/webhooks.md.
 */
export class EventPublisher {
  readonly #append: AppendEvents
  readonly #settings: PublishedSettings
  readonly #log: PublishedLog
  readonly #members: Pick<MemberTable, 'some' | 'count'>
  readonly #amendments: Pick<AmendmentTable, 'editsOf'>
  /** A field, so that it costs a message nothing to look at it. */
  isOn: boolean

  constructor(
    append: AppendEvents,
    settings: PublishedSettings,
    log: PublishedLog,
    members: Pick<MemberTable, 'some' | 'count'>,
    amendments: Pick<AmendmentTable, 'editsOf'>,
  ) {
    this.#append = append
    this.#settings = settings
    this.#log = log
    this.#members = members
    this.#amendments = amendments
    this.isOn = settings.number('eventsSince') > 0
  }

  /** Entries up to this seq need not be kept for the topic. */
  get published(): number {
    return this.isOn ? this.#settings.number('eventsUpTo') : Infinity
  }

  /** What the shard writer says: since when the tenant's events are published, if they are. */
  noteSince(conversation: Conversation, since = 0): void {
    if (since === this.#settings.number('eventsSince')) return
    // A shard writer that has not been told yet knows nothing: then it goes on where it was.
    if (since > 0 && since !== this.#settings.number('eventsBegan')) {
      this.#settings.set('eventsBegan', since)
      this.#settings.set('eventsUpTo', Math.max(this.#settings.number('eventsUpTo'), this.#lastBefore(since)))
      if (conversation.createdAt >= since) this.#addExtra(this.#created(conversation))
      const { deletedAt, epoch } = conversation
      if (deletedAt !== undefined && deletedAt < since) this.#settings.set('eventsEnded', epoch)
    }
    this.#settings.set('eventsSince', since)
    this.isOn = since > 0
  }

  /** The conversation begins anew under an id that another one had. Its members are there already. */
  begin(before: Conversation | undefined, conversation: Conversation, top: number): void {
    if (!this.isOn) return
    if (before !== undefined && this.#isEndPending(before)) this.#addExtra(deletedEvent(before))
    this.#addExtra(this.#created(conversation))
    this.#settings.set('eventsUpTo', top)
  }

  /** Entries after `after` up to `upTo` were imported: they are no events, unless earlier ones have still to be published. */
  skip(after: number, upTo: number): void {
    if (this.isOn && this.#settings.number('eventsUpTo') >= after) this.#settings.set('eventsUpTo', upTo)
  }

  isPending(conversation: Conversation): boolean {
    if (!this.isOn) return false
    return (
      this.#settings.number('eventsUpTo') < this.#log.top() ||
      this.#extraText() !== '' ||
      this.#isEndPending(conversation)
    )
  }

  /** Appends what is pending when it begins. Throws when the log does not take it now; what it has taken stays noted. */
  async run(conversation: () => Conversation): Promise<void> {
    const top = this.#log.top()
    for (let call = 0; call < callsPerRun; call++) {
      const current = conversation()
      if (!this.isPending(current)) return
      const rows = fitting(this.#log.range(this.#settings.number('eventsUpTo'), top, entriesPerCall))
      const upTo = rows.at(-1)?.seq ?? top
      const extra = this.#extraText()
      const endsNow = upTo >= top && this.#isEndPending(current)
      const events = [
        ...this.#extra(),
        ...rows.flatMap((row) => eventOfEntry(current, row) ?? []),
        ...(endsNow ? [deletedEvent(current)] : []),
      ]
      if (events.length > 0) await this.#append(current.tenant, events, this.#emptied(current, rows))
      if (this.#extraText() === extra) this.#settings.set('eventsExtra', '')
      if (endsNow) this.#settings.set('eventsEnded', current.epoch)
      this.#settings.set('eventsUpTo', Math.max(this.#settings.number('eventsUpTo'), upTo))
      if (upTo >= top) return
    }
  }

  /** The events of messages that these entries delete, with those of their edits. */
  #emptied(conversation: Conversation, rows: readonly LogRow[]): EventName[] {
    const refs = rows.flatMap(({ data }) => deletedBy(data) ?? [])
    const seqs = refs.flatMap((ref) => [ref, ...this.#amendments.editsOf(ref).map(({ seq }) => seq)])
    return seqs.map((seq) => entryName(conversation, seq))
  }

  /** The seq of the last entry that was written before this time, of those that are kept. */
  #lastBefore(since: number): number {
    const floor = this.#log.floor()
    let upTo = this.#log.top()
    while (upTo >= floor) {
      const rows = this.#log.range(Math.max(upTo - entriesPerCall, floor - 1), upTo, entriesPerCall)
      const last = rows.findLast(({ at }) => at < since)
      if (last !== undefined) return last.seq
      upTo = (rows[0]?.seq ?? floor) - 1
    }
    return floor - 1
  }

  #created(conversation: Conversation): NewEvent {
    const listed = this.#members.some(maxListedMembers).map(({ user }) => user)
    return createdEvent(conversation, listed, this.#members.count())
  }

  #isEndPending({ deletedAt, epoch }: Conversation): boolean {
    return deletedAt !== undefined && this.#settings.get('eventsEnded') !== epoch
  }

  /** Events that are no entries of the log; stored until the topic has them. */
  #addExtra(event: NewEvent): void {
    this.#settings.set('eventsExtra', JSON.stringify([...this.#extra(), event]))
  }

  #extraText(): string {
    return this.#settings.get('eventsExtra') ?? ''
  }

  #extra(): readonly NewEvent[] {
    const text = this.#extraText()
    if (text === '') return []
    const extra: readonly NewEvent[] = JSON.parse(text)
    return extra
  }
}

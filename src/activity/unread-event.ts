import type { ConversationActivity, ReadState } from '../events/activity.ts'

/** The parts of an `unread` event that are the same for all members, encoded once for all of them. */
export class UnreadEvent {
  readonly epoch: string
  readonly version: number
  readonly last: number
  readonly #before: string
  readonly #after: string

  constructor({
    conversation,
    epoch,
    version,
    last,
    at,
    preview,
    name,
    type,
    members,
    memberCount,
  }: ConversationActivity) {
    this.epoch = epoch
    this.version = version
    this.last = last
    this.#before = `{"type":"unread","conversation":${JSON.stringify(conversation)},"last":${last},`
    const shared = { at, preview, name, conversationType: type, members, memberCount }
    this.#after = `,${JSON.stringify(shared).slice(1)}`
  }

  /** JSON text of the event for one user, whose state is the one at `last`. */
  encode({ read, unread, mentions }: ReadState): string {
    return `${this.#before}"read":${read},"unread":${unread},"mentions":${mentions}${this.#after}`
  }

  isSameAs(other: UnreadEvent): boolean {
    return this === other || (this.#before === other.#before && this.#after === other.#after)
  }
}

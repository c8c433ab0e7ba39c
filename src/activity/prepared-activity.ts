import type { ConversationActivity, ReadState, UserReadState } from '../events/activity.ts'
import { readStateNow } from './read-state-now.ts'
import { UnreadEvent } from './unread-event.ts'

/** What is known of a conversation at one moment, prepared for looking up many users in it. */
export class PreparedActivity {
  readonly activity: ConversationActivity
  readonly event: UnreadEvent
  readonly #reported: ReadonlyMap<string, UserReadState>
  readonly #lastChange: number

  constructor(activity: ConversationActivity) {
    this.activity = activity
    this.event = new UnreadEvent(activity)
    this.#reported = new Map(activity.states.map((state) => [state.user, state]))
    this.#lastChange = activity.changes.at(-1)?.seq ?? 0
  }

  /** Seq of the newest entry. */
  get last(): number {
    return this.activity.last
  }

  /** Whether it has a state of the user that is newer than the entry `last`. */
  reports(user: string, last: number): boolean {
    return (this.#reported.get(user)?.last ?? 0) > last
  }

  /**
   * A member's state as of this moment, from an older one; see `readStateNow`. Undefined also when the member may have left
   * meanwhile without being named.
   */
  stateOf(user: string, known: ReadState): ReadState | undefined {
    const { activity } = this
    if (known.last < activity.last && activity.changesAfter > known.last) return undefined
    const isPlain = this.#lastChange <= known.last && activity.statesAfter <= known.last && !this.#reported.has(user)
    if (!isPlain || known.last >= activity.last) return readStateNow(activity, user, known)
    // Messages of other users only: what many members of a large conversation have.
    const { last, number } = activity
    return { ...known, last, number, unread: known.unread + number - known.number }
  }
}

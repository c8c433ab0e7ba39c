import type { ConversationActivity, ReadState, UserReadState, UserStates } from '../events/activity.ts'
import { mergeActivity } from './merge-activity.ts'
import { PreparedActivity } from './prepared-activity.ts'
import type { UnreadEvent } from './unread-event.ts'

/** What a user was sent last; `event` is undefined for a user that was no member at entry `last`. */
interface Shown extends ReadState {
  readonly event: UnreadEvent | undefined
}

/** An event for a user: JSON text of what changed for them. */
export interface UnreadNotice<U> {
  readonly user: U
  readonly event: string
}

interface NamedUser {
  readonly user: string
}

/** States kept beyond those of the users that an update concerns, before the ones of users that are gone are dropped. */
const spareStates = 64

/**
 * What a gateway knows of one conversation: for each of its users the state and event that they were sent last. An update is
 * applied to those states; users without one, or whose state the update does not reach back to, have to be asked for.
 */
export class HeldConversation<U extends NamedUser> {
  readonly #shown = new Map<U, Shown>()
  /** Users whose state the conversation has to be asked for. */
  readonly #unknown = new Set<U>()
  /** Users of the call under way. */
  #asked = new Set<U>()
  /** What became known since that call began. */
  #since: ConversationActivity | undefined
  #epoch = ''
  #version = 0

  /** How many states are held. */
  get size(): number {
    return this.#shown.size
  }

  get isIdle(): boolean {
    return this.#asked.size === 0 && this.#unknown.size === 0
  }

  /** Notes an update before it is applied to users. False when it is older than the incarnation of the conversation known here. */
  note(activity: ConversationActivity): boolean {
    if (!this.#isOfThisEpoch(activity)) return false
    if (this.#asked.size > 0) this.#since = mergeActivity(this.#since, activity)
    return true
  }

  /** Applies an update that was noted to some users that may have the conversation. Returns an event for each for whom something changed. */
  apply(update: PreparedActivity, users: readonly U[]): UnreadNotice<U>[] {
    if (update.activity.epoch !== this.#epoch) return []
    return users.flatMap((user) => this.#applyTo(update, user))
  }

  /** Drops the states of users that are gone, when there are many beside those of `users`. */
  sweep(users: readonly U[], isGone: (user: U) => boolean): void {
    if (this.#shown.size <= users.length + spareStates) return
    for (const user of this.#shown.keys()) if (isGone(user)) this.#shown.delete(user)
  }

  /** The user's state is to be asked for, and sent in any case: they have learned of the conversation in another way. */
  want(user: U): void {
    this.#unknown.add(user)
  }

  /** The user is no member any more, as their inbox says. */
  removed(user: U): void {
    const shown = this.#shown.get(user)
    if (shown !== undefined) this.#shown.set(user, { ...shown, event: undefined })
    // The answer under way may be of before that.
    if (this.#asked.has(user)) this.#unknown.add(user)
  }

  /** Updates were lost: the states held are not brought forward from, and answers under way may be of before the loss. */
  forget(): void {
    this.#shown.clear()
    for (const user of this.#asked) this.#unknown.add(user)
  }

  /** What the user was sent last. */
  eventOf(user: U): string | undefined {
    const shown = this.#shown.get(user)
    return shown?.event?.encode(shown)
  }

  /**
   * The newer of an `unread` event that the user's inbox has for a client that missed updates, and of what the user was sent
   * here: the inbox may have looked before that.
   */
  newer(user: U, event: string): string {
    const shown = this.#shown.get(user)
    const { last, read }: { last: number; read: number } = JSON.parse(event)
    if (shown?.event !== undefined && (shown.last > last || (shown.last === last && shown.read >= read)))
      return shown.event.encode(shown)
    // What is held, and an answer under way, may be older than the event.
    this.#shown.delete(user)
    if (this.#asked.has(user)) this.#unknown.add(user)
    return event
  }

  /** Begins a call that asks for the states of at most `limit` users. Those that are gone are left out. */
  ask(limit: number, isGone: (user: U) => boolean): readonly U[] {
    this.#since = undefined
    for (const user of this.#unknown) {
      if (this.#asked.size >= limit) break
      this.#unknown.delete(user)
      if (!isGone(user)) this.#asked.add(user)
    }
    return [...this.#asked]
  }

  /** The call was answered; undefined when there is no such conversation. */
  answered(answer: UserStates | undefined): UnreadNotice<U>[] {
    const asked = this.#asked
    const since = this.#since
    this.#asked = new Set()
    this.#since = undefined
    if (answer === undefined) {
      for (const user of asked) this.#shown.set(user, { ...nothing, event: undefined })
      return []
    }
    const { activity, states } = answer
    if (activity.epoch !== this.#epoch) this.#adopt(activity)
    const byName = new Map(states.map((state) => [state.user, state]))
    const now = new PreparedActivity(activity)
    const later = since?.epoch === activity.epoch && since.last >= activity.last ? new PreparedActivity(since) : now
    return [...asked].flatMap((user) => {
      // They learned of the conversation in another way meanwhile: the answer may be older than that.
      if (this.#unknown.has(user)) return []
      return this.#learn(user, byName.get(user.user), now, later)
    })
  }

  /** Takes a state from the answer `now`, brought forward to what became known since the call began. */
  #learn(user: U, state: UserReadState | undefined, now: PreparedActivity, later: PreparedActivity): UnreadNotice<U>[] {
    if (state === undefined) {
      this.#shown.set(user, { ...nothing, last: now.last, event: undefined })
      return this.#applyTo(later, user)
    }
    const further = later === now ? state : later.stateOf(user.user, state)
    if (further !== undefined) return this.#show(user, further, newerEvent(later.event, now.event))
    this.#unknown.add(user)
    return []
  }

  /** The call failed: its users have to be asked for again. */
  notAnswered(): void {
    for (const user of this.#asked) this.#unknown.add(user)
    this.#asked = new Set()
    this.#since = undefined
  }

  #applyTo(update: PreparedActivity, user: U): UnreadNotice<U>[] {
    if (this.#asked.has(user) || this.#unknown.has(user)) return []
    const shown = this.#shown.get(user)
    if (shown === undefined || (shown.event === undefined && update.reports(user.user, shown.last))) {
      this.#unknown.add(user)
      return []
    }
    if (shown.event === undefined || shown.last > update.last) return []
    const now = update.stateOf(user.user, shown)
    if (now === undefined) {
      this.#unknown.add(user)
      return []
    }
    const event = newerEvent(update.event, shown.event)
    const isSame = now.read === shown.read && now.unread === shown.unread && now.mentions === shown.mentions
    return isSame && event.isSameAs(shown.event) ? [] : this.#show(user, now, event)
  }

  #show(user: U, { last, number, read, unread, mentions }: ReadState, event: UnreadEvent): UnreadNotice<U>[] {
    const shown = { last, number, read, unread, mentions, event }
    this.#shown.set(user, shown)
    return [{ user, event: event.encode(shown) }]
  }

  /** Whether an update is of the incarnation that is known here, or of a newer one. */
  #isOfThisEpoch(activity: ConversationActivity): boolean {
    const isOther = activity.epoch !== this.#epoch
    if (isOther && this.#epoch !== '' && activity.version <= this.#version) return false
    if (isOther) this.#adopt(activity)
    this.#version = Math.max(this.#version, activity.version)
    return true
  }

  /** The conversation has another incarnation: states of the one before mean nothing. */
  #adopt({ epoch, version }: ConversationActivity): void {
    this.#epoch = epoch
    this.#version = version
    this.#shown.clear()
  }
}

const nothing: ReadState = { last: 0, number: 0, read: 0, unread: 0, mentions: 0 }

/** The first, unless the other has newer properties at the same entry. */
const newerEvent = (event: UnreadEvent, other: UnreadEvent): UnreadEvent =>
  event.last === other.last && event.version < other.version ? other : event

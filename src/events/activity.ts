/**
 * Where one user stands in one conversation: exact for the first `last` entries of its log. Every field only grows while
 * the user is a member, except the counts, so two states of a user can be compared without a clock.
 */
export interface ReadState {
  /** Seq of the newest entry that the counts take into account. */
  readonly last: number
  /** How many messages the first `last` entries hold, deleted ones included. */
  readonly number: number
  /** The read cursor, a seq: sending a message moves it to that message. */
  readonly read: number
  /** Messages after the cursor that are not deleted. */
  readonly unread: number
  /** Those of them that mention the user, by name or as one of all members. */
  readonly mentions: number
}

/** A user's state, where it was reported with the conversation's own. */
export interface UserReadState extends ReadState {
  readonly user: string
}

/** An entry that changes counts by something else than a further message. */
export type CountChange =
  /** Message `ref` was deleted by entry `seq`; `everyone` when it mentioned all members. */
  | { readonly kind: 'deleted'; readonly seq: number; readonly ref: number; readonly everyone: boolean }
  /** Message `seq` mentions all members. */
  | { readonly kind: 'mention'; readonly seq: number }

/**
 * Where a conversation stands, the same for all its members: what it tells its Activity actor, what that keeps as one
 * row, and what gateways and inboxes get of it. Together with an older `ReadState` of a user it gives their counts now
 * (`readStateNow`).
 */
export interface ConversationActivity {
  readonly conversation: string
  readonly epoch: string
  readonly type: 'direct' | 'group' | 'channel'
  /** The version of the conversation's properties and members; the higher one wins for name and members. */
  readonly version: number
  readonly name: string
  /** Up to ten members, so that a list can name a conversation that has no name. */
  readonly members: readonly string[]
  readonly memberCount: number
  /** Seq of the newest entry. */
  readonly last: number
  /** How many messages there are up to `last`, deleted ones included. */
  readonly number: number
  /** When the newest entry happened, or the conversation began; milliseconds since the epoch. */
  readonly at: number
  /** The newest message that is not deleted, shortened. */
  readonly preview: { readonly user: string; readonly text: string } | null
  /** The newest states of the last authors, and of users whose inbox does not know its state yet; by `last`, ascending. */
  readonly states: readonly UserReadState[]
  /** Every author of a message after this seq is among `states`. */
  readonly statesAfter: number
  /** By seq, ascending. */
  readonly changes: readonly CountChange[]
  /** Every change after this seq is among `changes`. */
  readonly changesAfter: number
}

/** How many states and changes one activity holds; beyond them the oldest are dropped. */
export const activityStates = 32
export const activityChanges = 64

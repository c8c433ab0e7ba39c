import { hash32, mixed32 } from '../kernel/id.ts'

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

/** Whether a state of a user is newer than another: the log and the read cursor only move forward. */
export const isNewer = (state: ReadState, than: ReadState): boolean =>
  state.last > than.last || (state.last === than.last && state.read > than.read)

/** A user's state, where it was reported with the conversation's own. */
export interface UserReadState extends ReadState {
  readonly user: string
}

/** An entry that changes counts by something else than a further message, or says that a user has none any more. */
export type CountChange =
  /** Message `ref` was deleted by entry `seq`; `everyone` when it mentioned all members. */
  | { readonly kind: 'deleted'; readonly seq: number; readonly ref: number; readonly everyone: boolean }
  /** Message `seq` mentions all members. */
  | { readonly kind: 'mention'; readonly seq: number }
  /**
   * `user` left, or was removed, by entry `seq`. Without it a gateway that holds the user's state would show them messages
   * of after that, until their inbox knows.
   */
  | { readonly kind: 'left'; readonly seq: number; readonly user: string }

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

/** A conversation that was deleted: each of its updates of before has a lower version. */
export interface DeletedConversation {
  readonly conversation: string
  readonly version: number
}

/** How many states and changes one activity holds; beyond them the oldest are dropped. */
export const activityStates = 32
export const activityChanges = 64

/** Whom a message mentions: some users, those that are connected (`here`), or all members (`channel`). */
export interface Mentions {
  readonly users?: readonly string[] | undefined
  readonly here?: boolean | undefined
  readonly channel?: boolean | undefined
}

/** How many states one update may carry to a gateway; an Activity actor keeps fewer. */
export const statesPerUpdate = 500

/** The states of some users, exact at the conversation's newest entry, with the activity of that moment. */
export interface UserStates {
  readonly activity: ConversationActivity
  /** Those of the users that are members. */
  readonly states: readonly UserReadState[]
}

/** How many buckets there are: conversations are told apart by 16 bits where a wrong match does no harm. */
export const bucketCount = 0x10000

/** The bucket of a conversation, 0 … 65,535. */
export const bucketOf = (conversation: string): number => mixed32(hash32(conversation)) % bucketCount

/** The number of the Activity actor of a bucket, among `actors` of its tenant, a power of two. */
export const activityNumberOf = (bucket: number, actors: number): number => bucket % actors

/** What a gateway answers to updates. */
export interface ActivityAnswer {
  /** Whether it has any session of the tenant; if not it need not be called again. */
  readonly isListening: boolean
  /** Buckets of the updates that none of its sessions has. */
  readonly unwanted: readonly number[]
}

/** A conversation of a user's list, and the time of its newest entry as the inbox knows it. */
export type ListedConversation = readonly [id: string, at: number]

/**
 * Asks for the newest `limit` conversations older than the cursor (at, id descending), or for all that changed since a
 * time. With `user` the activities hold the states of that user alone.
 */
export type ActivityQuery =
  | {
      readonly kind: 'newest'
      readonly user?: string
      readonly conversations: readonly ListedConversation[]
      readonly before: readonly [at: number, id: string] | undefined
      readonly limit: number
    }
  | {
      readonly kind: 'changed'
      readonly user?: string
      readonly conversations: readonly string[]
      /** By the Activity actor's clock, in milliseconds since the epoch. */
      readonly since: number
      readonly limit: number
    }

/** The same as `newest` above, with the times of the inbox's entries beside the ids: a list of pairs costs seven times as much to send. */
export interface NewestQuery {
  readonly user: string
  readonly conversations: readonly string[]
  readonly times: readonly number[]
  readonly before: readonly [at: number, id: string] | undefined
  readonly limit: number
}

/** One conversation of an answer; without an activity when nothing happened since the inbox's own entry. */
export interface ActivityRow {
  readonly conversation: string
  readonly at: number
  readonly activity: ConversationActivity | undefined
}

import type { MessageState } from '../protocol/stream.ts'
import type { StreamingMessages } from './streaming.ts'

/** A reaction of a user, and the entry that added it. */
export interface OwnReaction {
  readonly reaction: string
  readonly seq: number
  readonly at: number
}

/** A reaction, and whose it is. */
export interface UserReaction extends OwnReaction {
  readonly user: string
}

/** How many users reacted with the same. */
export interface ReactionCount {
  readonly reaction: string
  readonly count: number
}

/** Reactions to the messages of one conversation; `ref` is the seq of the message. */
export interface Reactions {
  of(ref: number, user: string): OwnReaction[]
  /** In the order in which they came; one that was taken back by all and comes again is the last. */
  counts(ref: number): ReactionCount[]
  add(ref: number, reaction: UserReaction): void
  remove(ref: number, user: string, reaction: string): void
  /** Up to `limit` of them, after a user and reaction, by user; with `only` those with that reaction. */
  after(ref: number, cursor: ReactionCursor, limit: number, only?: string): UserReaction[]
}

/** The last reaction of a page. */
export interface ReactionCursor {
  readonly user: string
  readonly reaction: string
}

/** A message that is pinned, by whom, and until when in milliseconds since the epoch. */
export interface Pin {
  readonly ref: number
  readonly user: string
  readonly seq: number
  readonly at: number
  readonly until: number | null
}

/** Pins of one conversation. Those of deleted messages are left out. */
export interface Pins {
  /** The pin of a message, also one that is over or whose message is deleted. */
  of(ref: number): Pin | undefined
  /** Those that are not over, by the time of the pin, the newest first. */
  live(now: number): Pin[]
  put(pin: Pin): void
  remove(ref: number): void
}

/** A user's part in a thread that they follow. */
export interface FollowedThread {
  /** Seq of the message that begins it. */
  readonly root: number
  /** Seq of the newest reply, or of the root where there is none. */
  readonly last: number
  /** The user has read the replies up to this seq; a reply of their own moves it there. */
  readonly read: number
  /** Replies after `read` that are not deleted. */
  readonly unread: number
}

/** The threads of one conversation, each named by the message that begins it, its root. */
export interface Threads {
  /** The thread that message `seq` is a reply in. */
  rootOf(seq: number): number | undefined
  /** The author of the root and those that reply or are mentioned follow the thread, unless they decided that they do not. */
  begin(root: number, author: string, follows: boolean): void
  replied(root: number, user: string, seq: number): void
  mentioned(root: number, users: readonly string[], seq: number): void
  /** A decision of the user, which nothing but another one changes. */
  follow(root: number, user: string, follows: boolean): void
  /** Moves the user's cursor in the thread forward. */
  moveRead(root: number, user: string, seq: number): void
  /** The user's part in a thread, also in one that they do not follow. */
  of(root: number, user: string): FollowedThread & { readonly follows: boolean }
  /** The threads that the user follows, at most `maxFollowed`, by their newest reply, the newest first. */
  followedBy(user: string): FollowedThread[]
  followersOf(root: number): string[]
  /** Replies after seq `after`, ascending, or with `before` those before it, descending; at most `limit`. */
  replies(root: number, bounds: { readonly after: number } | { readonly before: number }, limit: number): number[]
}

/** Messages whose content is kept beside the log, as JSON text: deleted ones until a time, and restored ones. */
export interface KeptMessages {
  of(ref: number): { readonly data: string; readonly until: number | null } | undefined
  /** `until` is null for a restored message. */
  put(ref: number, data: string, until: number | null): void
}

/** Threads of one user in one conversation that are looked at: those whose roots are the newest. */
export const maxFollowed = 1000

/** A later text of a message. */
export interface Edit {
  readonly seq: number
  readonly user: string
  readonly at: number
  readonly text: string
}

/** What became of the messages of one conversation beside their newest text. */
export interface MessageStates {
  readonly reactions: Reactions
  readonly pins: Pins
  readonly threads: Threads
  readonly kept: KeptMessages
  /** Messages that grow now, and whether there are any. */
  readonly streaming: StreamingMessages
  readonly isStreaming: boolean
  /** The newest `limit` edits of a message, ascending. */
  edits(ref: number, limit: number): Edit[]
  addEdit(ref: number, edit: Edit): void
  /** The states of messages in `first`…`last` that have any, as `user` sees them. */
  between(first: number, last: number, user: string, now: number): MessageState[]
}

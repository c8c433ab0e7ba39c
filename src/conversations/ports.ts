import type { Mentions, ReadState } from '../events/activity.ts'
import type { LogRow, Member, Target } from './types.ts'

/** Where a message stands and when it got there, in milliseconds since the epoch. */
export interface Place {
  readonly seq: number
  readonly at: number
}

/** The ordered, durable record of one conversation. Synchronous: whatever one call appends becomes durable as one. */
export interface Log {
  /** The highest seq, 0 when empty. */
  top(): number
  /**
   * Adds the entry at `top() + 1`; the caller has made sure that is its seq. When the author's message with this clientId
   * stands in the log already, however old it is, nothing is added and its place is returned. A `quiet` message does not count
   * as unread. A reply in a thread names the message `thread` that begins it.
   */
  append(row: LogRow, quiet?: boolean, thread?: number): Place | undefined
  /** Entries with `after` < seq ≤ `upTo` that are still held here, ascending, at most `limit`. */
  range(after: number, upTo: number, limit: number): LogRow[]
  /** The lowest seq still held here with its words; everything below is in Postgres. `top() + 1` when none is. */
  floor(): number
  /** Where the author's message with this clientId stands, which is about to be acknowledged once more; undefined when there is none. */
  placeOf(user: string, clientId: string): Place | undefined
  /** Something that stands here already is about to be acknowledged once more, as durably as the first time. */
  confirm(): void
}

/** The edits and deletions of a conversation's messages. */
export interface Amendments {
  /** Who wrote entry `seq`, whether it is a message, and what became of it; undefined when there is no such entry. */
  target(seq: number): Target | undefined
  /** The entry that last edited or deleted message `ref`; undefined when none did, or only Postgres has it. */
  newestOf(ref: number): LogRow | undefined
  /** Remembers that message `ref` now reads `text`, or with null that it is deleted; its own text leaves the log then. */
  amend(ref: number, text: string | null, at: number): void
}

/** What is unread. */
export interface ReadStates {
  /** A member's state as of the newest entry; undefined for others. */
  of(user: string): ReadState | undefined
  /** Notes whom message `seq` mentions. */
  noteMentions(seq: number, mentions: Mentions): void
  /** The counts of all members may have changed. */
  noteAll(): void
}

/** Who belongs to one conversation. */
export interface Members {
  get(user: string): Member | undefined
  count(): number
  put(member: Member): void
  remove(user: string): void
  moveRead(user: string, seq: number): void
  /** Up to `limit` members whose user id follows `user`, by user id. */
  after(user: string, limit: number): Member[]
  /** The first `limit` members, by user id. */
  some(limit: number): Member[]
}

/** A file of one conversation: on its way (`open`), or whole and of the type that it was said to be (`ready`). */
export interface Upload {
  readonly id: string
  /** The member that sends it; "" for the tenant's server. */
  readonly user: string
  readonly name: string
  readonly type: string
  readonly size: number
  /** When it was begun, in milliseconds since the epoch. */
  readonly at: number
  readonly state: 'open' | 'ready'
  /** Under which its parts are stored; null before the first part, and of a file of one part. */
  readonly multipart: string | null
  /** Etags of the parts that are stored, by their numbers less one; "" for one that is missing. */
  readonly etags: readonly string[]
  readonly width?: number
  readonly height?: number
  /** The message that names it and its clientId; null while none does. */
  readonly seq: number | null
  readonly clientId: string | null
}

/** The files of a conversation. Those that are let go of are not found any more; their bytes are deleted afterwards. */
export interface Uploads {
  get(id: string): Upload | undefined
  put(upload: Upload): void
  /** How many of a user are open. */
  openOf(user: string): number
  /** Lets go of one. */
  release(id: string): void
  /** Keeps the files of a deleted message until a time, in milliseconds since the epoch, or for good with null: it may be, or was, restored. */
  keepOf(seq: number, until: number | null): void
}

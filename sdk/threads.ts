import { count, fields } from './parse.ts'

/** The user's part in a thread. */
export interface ThreadState {
  readonly follows: boolean
  /** The user has read the replies up to this seq; a reply of their own moves it there. */
  readonly read: number
  /** Replies after `read` that are not deleted. */
  readonly unread: number
}

/** A thread that the user follows. */
export interface Thread {
  /** Seq of the message that begins it. */
  readonly thread: number
  /** Seq of the newest reply. */
  readonly last: number
  readonly read: number
  readonly unread: number
}

export function readThreadState(given: unknown): ThreadState {
  const { follows, read, unread } = fields(given)
  return { follows: follows === true, read: count(read), unread: count(unread) }
}

export function readThread(given: unknown): Thread {
  const { thread, last, read, unread } = fields(given)
  return { thread: count(thread), last: count(last), read: count(read), unread: count(unread) }
}

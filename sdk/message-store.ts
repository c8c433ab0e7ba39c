import type { FailureKind } from './failure.ts'
import type { ThreadPlace } from './timeline.ts'

/** A message that the server does not have yet, as it is kept between two loads of a page. */
export interface UnsentMessage extends ThreadPlace {
  readonly user: string
  readonly conversation: string
  readonly clientId: string
  readonly text: string
  /** When it was written, in milliseconds since the epoch. */
  readonly at: number
  /** Its place among the messages of this device. */
  readonly n: number
  /** The page that sends it. */
  readonly page: string
  /** Why the server refused it; its author decides what becomes of it. */
  readonly refused?: { readonly kind: FailureKind; readonly code: number; readonly message: string }
}

/**
 * Where unsent messages are kept: `indexedDbStore` of `parley-sdk/indexed-db` in browsers, or your own for React Native, SQLite and the
 * like. Calls are made one after the other. What one throws is told by `parley.storageProblems`; messages are sent all the same.
 */
export interface MessageStore {
  /** All messages of the user. */
  load(user: string): Promise<readonly UnsentMessage[]>
  /** Writes a message, in place of the one with its user and clientId. */
  put(message: UnsentMessage): Promise<void>
  delete(user: string, clientId: string): Promise<void>
}

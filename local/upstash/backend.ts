import type { Bytes } from './bytes.ts'
import type { Reply } from './reply.ts'

/** What a subscriber wants: channels by name, or by glob. */
export type SubscriptionKind = 'subscribe' | 'psubscribe'

/** One event of a subscription, as RESP lists it: `subscribe, chat, 1` or `message, chat, hello`. */
export type SubscriptionEvent = readonly (Bytes | number)[]

/** Where a subscription's events go. */
export interface Subscriber {
  event(event: SubscriptionEvent): void
  /** The backend has gone and nothing more will come. */
  end(): void
}

/** What the REST front needs from a Redis: answered by the embedded engine and by a real server. */
export interface Backend {
  /** Runs commands in order; each gets its reply, errors included. Rejects only if there is no Redis to ask. */
  pipeline(commands: Bytes[][]): Promise<Reply[]>
  /** Runs commands as one MULTI … EXEC: an array of replies, or the error that discarded it. */
  transaction(commands: Bytes[][]): Promise<Reply>
  /** Listens until the answered function is called. */
  subscribe(kind: SubscriptionKind, names: Bytes[], subscriber: Subscriber): Promise<() => void>
  /** Lets go of connections and files. */
  stop(): Promise<void>
}

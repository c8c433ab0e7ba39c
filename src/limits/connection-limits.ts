import { LocalLimits } from './local-limits.ts'
import type { Window } from './rules.ts'

const bucket = (limit: number, windowMs: number, burst: number): readonly Window[] => [
  { algorithm: 'token-bucket', limit, windowMs, burst },
]

/**
 * A typing notice holds for this long, or until the user's next message; further notices before that are not passed on.
 */
const typingEvery = bucket(1, 3000, 1)
/** How often one user may start typing, over all conversations and connections. */
const typing = bucket(2, 1000, 10)
/**
 * A client that waits when told to is refused one burst at most; a client that does not has used this up within a
 * minute.
 */
const patience = bucket(2, 1000, 100)
/** The cost of refusing another command of the same frame. */
const furtherRefusal = 1 / 16
/** A returning client subscribes to all its channels at once, about a hundred at most. */
const burstOfCommands = 10

/** Whether a typing notice is passed on, or how long the user has to wait. */
export type Typing =
  | { readonly kind: 'news' }
  | { readonly kind: 'told' }
  | { readonly kind: 'limited'; readonly retryAfterMs: number }

/** One connection and its user. */
interface Caller {
  readonly client: string
  readonly tenant: string
  readonly user: string
}

/**
 * What a single gateway counts by itself: a connection's commands, a user's typing notices, and repeated refusals.
 * Bounded in memory.
 */
export class ConnectionLimits {
  readonly #commands = new LocalLimits()
  readonly #typing = new LocalLimits()
  readonly #typed = new LocalLimits()
  readonly #refused = new LocalLimits()
  /** The last frame of each connection in which a command was refused. */
  readonly #refusedFrame = new Map<string, number>()

  /**
   * Counts one command other than a message. Returns the milliseconds until the connection may send another, 0 for now.
   */
  command({ client }: Caller, perSecond: number, now: number): number {
    return this.#commands.takeAll(client, bucket(perSecond, 1000, Math.max(1, burstOfCommands * perSecond)), now)
  }

  /** A user types in a conversation, named by its channel, on any connection. */
  typing({ tenant, user }: Caller, channel: string, now: number): Typing {
    const waitMs = this.#typed.takeAll(placeOf(tenant, user, channel), typingEvery, now)
    if (waitMs > 0) return { kind: 'told' }
    const retryAfterMs = this.#typing.takeAll(`${tenant}/${user}`, typing, now)
    if (retryAfterMs === 0) return { kind: 'news' }
    this.#typed.forget(placeOf(tenant, user, channel))
    return { kind: 'limited', retryAfterMs }
  }

  /** The conversation refused the notice, or a message of the user followed it: the next notice is passed on again. */
  notTyped({ tenant, user }: Pick<Caller, 'tenant' | 'user'>, channel: string): void {
    this.#typed.forget(placeOf(tenant, user, channel))
  }

  /**
   * A command of the connection's frame number `frame` was refused. Returns true when so many refusals came before that
   * the client will not stop by itself. Further refusals in the same frame count little: the client could not know of
   * the first when it sent them.
   */
  refused({ client }: Caller, frame: number, now: number): boolean {
    const cost = this.#refusedFrame.get(client) === frame ? furtherRefusal : 1
    this.#refusedFrame.set(client, frame)
    return this.#refused.takeAll(client, patience, now, cost) > 0
  }

  /** The connection has ended. */
  gone({ client }: Caller): void {
    this.#commands.forget(client)
    this.#refused.forget(client)
    this.#refusedFrame.delete(client)
  }
}

/** Neither tenants nor channels of conversations have a `/` in their names. */
const placeOf = (tenant: string, user: string, channel: string) => `${tenant}/${channel}/${user}`

import { LocalLimits } from './local-limits.ts'
import type { Window } from './rules.ts'

const bucket = (limit: number, windowMs: number, burst: number): readonly Window[] => [
  { algorithm: 'token-bucket', limit, windowMs, burst },
]

/** A notice that a user types holds for this long, or until the user's next message: another one before is not passed on. */
const typingEvery = bucket(1, 3000, 1)
/** How often one user may begin to type, in all her conversations and on all her connections together. */
const typing = bucket(2, 1000, 10)
/** A client that waits when it is told to is refused a burst at most; one that goes on has used this up in a minute. */
const patience = bucket(2, 1000, 100)
/** What refusing another command of the same frame counts. */
const furtherRefusal = 1 / 16
/** A returning client asks for all its channels at once, some hundred at most. */
const burstOfCommands = 10

/** Whether somebody's typing is news, or how long she has to wait. */
export type Typing =
  | { readonly kind: 'news' }
  | { readonly kind: 'told' }
  | { readonly kind: 'limited'; readonly retryAfterMs: number }

/** One connection, and who is behind it. */
interface Caller {
  readonly client: string
  readonly tenant: string
  readonly user: string
}

/** What one gateway alone counts: what a connection asks for, how a user types, and who does not stop. Bounded in memory. */
export class ConnectionLimits {
  readonly #commands = new LocalLimits()
  readonly #typing = new LocalLimits()
  readonly #typed = new LocalLimits()
  readonly #refused = new LocalLimits()
  /** The last frame of each connection of which something was refused. */
  readonly #refusedFrame = new Map<string, number>()

  /** One command that is no message: milliseconds until the connection may ask again, 0 for now. */
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

  /** The conversation refused the notice, or the user's message followed it: the next notice is news again. */
  notTyped({ tenant, user }: Pick<Caller, 'tenant' | 'user'>, channel: string): void {
    this.#typed.forget(placeOf(tenant, user, channel))
  }

  /**
   * A command of the connection's frame number `frame` was refused; true when it was told so often that it will not stop
   * by itself. Further refusals of the same frame count little: when they were sent there was nothing to be told.
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

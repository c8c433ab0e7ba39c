import { LocalLimits } from './local-limits.ts'
import type { Taken } from './ports.ts'
import type { Window } from './rules.ts'

const bucket = (limit: number, windowMs: number, burst: number): readonly Window[] => [
  { algorithm: 'token-bucket', limit, windowMs, burst },
]

/**
 * A typing notice holds for this long, or until the user's next message; further notices before that are not passed on.
 */
const noticeMs = 3000
/** Typing notices that are kept; beyond it the oldest are dropped. */
const maxNotices = 10_000
/** How often one user may start typing, over all conversations and connections. */
const typing = bucket(2, 1000, 10)
/**
 * A client that waits when told to is refused one burst at most; a client that does not has used this up within a
 * minute.
 */
const refusals = bucket(2, 1000, 100)
/** The cost of refusing another command of the same frame. */
const furtherRefusal = 1 / 16
/** A returning client subscribes to all its channels at once, about a hundred at most. */
const burstOfCommands = 10

/** Whether a typing notice is passed on (`taken`), held already (`repeated`), or too fast. */
export type Typing = Taken | { readonly kind: 'repeated' }

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
  /** Until when a typing notice is held, by user and conversation, in the order of these times. */
  readonly #notices = new Map<string, number>()
  /** Whether any notice is held. Without one a message ends none, and `endTyping` need not be called. */
  isTyping = false
  readonly #refused = new LocalLimits()
  /** The last frame of each connection in which a command was refused. */
  readonly #refusedFrame = new Map<string, number>()

  /** Counts one command other than a message. */
  command({ client }: Caller, perSecond: number, now: number): Taken {
    return this.#commands.takeAll(client, bucket(perSecond, 1000, Math.max(1, burstOfCommands * perSecond)), now)
  }

  /** A user types in a conversation, named by its channel, on any connection. */
  typing({ tenant, user }: Caller, channel: string, now: number): Typing {
    const name = noticeOf(tenant, user, channel)
    const until = this.#notices.get(name) ?? 0
    if (until > now && until <= now + noticeMs) return { kind: 'repeated' }
    const taken = this.#typing.takeAll(`${tenant}/${user}`, typing, now)
    if (taken.kind === 'limited') return taken
    this.#dropNotices(now)
    this.#notices.delete(name)
    this.#notices.set(name, now + noticeMs)
    this.isTyping = true
    return taken
  }

  /** The conversation refused the notice, or a message of the user followed it: the next notice is passed on again. */
  endTyping({ tenant, user }: Pick<Caller, 'tenant' | 'user'>, channel: string): void {
    this.#notices.delete(noticeOf(tenant, user, channel))
    this.isTyping = this.#notices.size > 0
  }

  /** Drops notices that are over, and the oldest when there are too many. */
  #dropNotices(now: number): void {
    for (const [name, until] of this.#notices) {
      const isHeld = until > now && until <= now + noticeMs
      if (isHeld && this.#notices.size < maxNotices) return
      this.#notices.delete(name)
    }
  }

  /**
   * A command of the connection's frame number `frame` was refused. Returns true when so many refusals came before that
   * the client will not stop by itself. Further refusals in the same frame count little: the client could not know of
   * the first when it sent them.
   */
  refused({ client }: Caller, frame: number, now: number): boolean {
    const cost = this.#refusedFrame.get(client) === frame ? furtherRefusal : 1
    this.#refusedFrame.set(client, frame)
    return this.#refused.takeAll(client, refusals, now, cost).kind === 'limited'
  }

  /** The connection has ended. */
  gone({ client }: Caller): void {
    this.#commands.forget(client)
    this.#refused.forget(client)
    this.#refusedFrame.delete(client)
  }
}

/** Neither tenants nor channels of conversations have a `/` in their names. */
const noticeOf = (tenant: string, user: string, channel: string) => `${tenant}/${channel}/${user}`

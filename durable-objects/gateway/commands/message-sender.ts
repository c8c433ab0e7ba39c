import { policyOf } from '../../../src/limits/built-in-policies.ts'
import { LeaseHolder } from '../../../src/limits/holder.ts'
import type { Taken } from '../../../src/limits/ports.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import type { MessageContent } from '../../../src/protocol/payloads.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { limiterName } from '../../../src/limits/limiter-names.ts'
import type { MessageLimitStats } from '../../contracts.ts'
import type { ChannelCalls } from '../channels/channel-calls.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { LimitLevels } from './limit-levels.ts'
import { decideInOrder } from './undecided-messages.ts'

type Settle = (result: StreamResult) => void
type Sender = Pick<Session, 'tenant' | 'user' | 'client'>

/**
 * Sends the messages of sessions as far as the rate limit of their users allows. Decides from leases of the limiters, which
 * is arithmetic while they last.
 */
export class MessageSender {
  readonly #gateway: GatewayContext
  readonly #calls: Pick<ChannelCalls, 'execute'>
  readonly #holder = new LeaseHolder(policyOf)
  readonly levels: LimitLevels
  readonly #undecided = new Map<Session, Promise<void>>()
  /** The name of each sender's limiter: composing it for every message would cost more than deciding. */
  readonly #limiters = new WeakMap<Sender, string>()

  constructor(gateway: GatewayContext, calls: Pick<ChannelCalls, 'execute'>) {
    this.#gateway = gateway
    this.#calls = calls
    this.levels = new LimitLevels(gateway, this.#holder, calls)
  }

  /** Sends a message if the sender's rate limit allows it. */
  send(session: Session, channel: string, content: MessageContent, settle: Settle): void {
    this.limited(session, channel, settle, () => {
      if (this.#gateway.connectionLimits.isTyping) this.#gateway.connectionLimits.endTyping(session, channel)
      const filter = this.levels.filters.get(session.tenant)
      if (filter !== undefined) return this.levels.filters.send(filter, session, channel, content, settle)
      this.#calls.execute(session, channel, { kind: 'send', content }, settle)
    })
  }

  /** Does `work` if the sender's rate limit allows it. Messages of one session keep their order while a lease is fetched. */
  limited(session: Session, channel: string, settle: Settle, work: () => void): void {
    const taken = this.take(session, channel)
    const { frames } = session
    if (!(taken instanceof Promise) && (this.#undecided.size === 0 || !this.#undecided.has(session)))
      return this.#decided(session, frames, taken, settle, work)
    decideInOrder(this.#undecided, session, taken, (later) => this.#decided(session, frames, later, settle, work))
  }

  /** Takes one message of a sender to `channel`: the answer while a lease lasts, else a promise of it. */
  take(sender: Sender, channel: string): Taken | Promise<Taken> {
    const { tenant, client } = sender
    const key = this.#limiters.get(sender) ?? this.#limiterOf(sender)
    const hasLevels = this.levels.byTenant.has(tenant)
    const taken = hasLevels ? undefined : this.#holder.takeNow(key, this.#gateway.clock.now())
    if (taken !== undefined) return taken
    const message = { tenant, key, channel, client }
    return (hasLevels ? this.levels.takeNow(message) : undefined) ?? this.levels.take(message)
  }

  /** Figures for /metrics, by policy, and the keys with the most refusals. */
  stats(): MessageLimitStats {
    return { policies: this.#holder.counters.all(), refused: this.#holder.counters.top.list() }
  }

  #decided(session: Session, frame: number, taken: Taken | undefined, settle: Settle, work: () => void): void {
    if (taken === undefined) settle(refuse('internal', 'the rate limiter could not be reached'))
    else if (taken.kind === 'taken') work()
    else this.#gateway.refuseTooFast(session, frame, '', taken.retryAfterMs, settle)
  }

  /** Each anonymous connection has a limiter of its own. */
  #limiterOf(sender: Sender): string {
    const { tenant, user, client } = sender
    const name = limiterName(tenant, 'messages', user === '' ? `~${client}` : user)
    this.#limiters.set(sender, name)
    return name
  }
}

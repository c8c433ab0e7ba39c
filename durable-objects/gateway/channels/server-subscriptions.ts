import type { ServerSubscription } from '../../../src/auth/token.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import type { UnsubscribeName } from '../../../src/protocol/close-codes.ts'
import { encodePub, encodeSubscribe, encodeUnsubscribe } from '../../../src/protocol/replies.ts'
import type { StreamPosition, StreamResult } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { encodeSubscribed } from '../connect/connect-reply.ts'
import type { SubscriptionGrant, SubscriptionGrants } from './subscription-grants.ts'
import type { Sockets } from '../transport/sockets.ts'
import type { ChannelClient } from './channel-client.ts'
import { bytesBeside, sizeOf } from './subscriptions.ts'

/** What server-side subscriptions work with. */
export interface ServerSubscriptionsContext {
  readonly sockets: Sockets
  readonly channels: ChannelClient
  readonly grants: SubscriptionGrants
  readonly clock: Clock
  /** Looks after a session whose subscriptions may end. */
  readonly watch: (session: Session) => void
}

/** A subscription that the server ordered: on what terms, and what the stream answered. */
interface Begun {
  readonly kind: 'begun'
  readonly channel: string
  readonly grant: SubscriptionGrant
  readonly result: Extract<StreamResult, { kind: 'subscribed' }>
}

/** What the tenant's own server subscribes its users to: by their connection tokens, or later on. */
export class ServerSubscriptions {
  readonly #context: ServerSubscriptionsContext
  /** What connections will have to remember of orders that are not answered yet. */
  readonly #asked = new WeakMap<Session, number>()

  constructor(parts: ServerSubscriptionsContext) {
    this.#context = parts
  }

  /** All that a connection token orders, by channel; the first refusal is one of them all. `since` is where the client stood. */
  async beginAll(
    session: Session,
    orders: readonly ServerSubscription[],
    since: (channel: string) => StreamPosition | undefined,
  ): Promise<{ readonly kind: 'begun'; readonly results: ReadonlyMap<string, string> } | Refusal> {
    // One more is the personal stream.
    if (orders.length >= sizes.channels) return refuse('limitExceeded', `at most ${sizes.channels} channels`)
    const all = await Promise.all(orders.map((order) => this.#begin(session, order, since(order.channel))))
    const refusal = all.find((one) => one.kind === 'refused')
    if (refusal !== undefined) return refusal
    return {
      kind: 'begun',
      results: new Map(all.flatMap((one) => (one.kind === 'begun' ? [[one.channel, this.#encode(one)]] : []))),
    }
  }

  /**
   * Subscribes a session that is connected, and tells it, with what was published after `since`. A subscription that the
   * server ordered before goes on with the new terms; one that the client began is left as it is.
   */
  async begin(session: Session, order: ServerSubscription, since?: StreamPosition): Promise<Refusal | undefined> {
    const known = session.subscriptions.get(order.channel)
    if (known !== undefined) return known.terms?.server === true ? await this.#renew(session, order) : undefined
    const begun = await this.#begin(session, order, since, (subscribed) => this.#push(session, subscribed))
    return begun.kind === 'refused' ? begun : undefined
  }

  /** Ends a subscription of a session, whoever began it, and tells it. */
  end(session: Session, channel: string, name: UnsubscribeName): void {
    if (!session.subscriptions.has(channel)) return
    this.#context.channels.leave(session, channel)
    this.#context.sockets.write(session, encodeUnsubscribe(channel, name))
  }

  async #renew(session: Session, order: ServerSubscription): Promise<Refusal | undefined> {
    const grant = await this.#context.grants.forServer(session, order)
    if (grant.kind === 'refused') return named(order.channel, grant)
    if (!this.#context.sockets.hasRoom(session, sizeOf(grant)))
      return refuse('limitExceeded', `${order.channel}: more than a connection can remember`)
    this.#context.channels.hub.setTerms(session, order.channel, grant.terms)
    this.#context.watch(session)
    return undefined
  }

  /** A push has no room for publications, so that those that were missed follow it. */
  #push(session: Session, { channel, grant, result }: Begun): void {
    const { sockets, clock } = this.#context
    const subscribed = encodeSubscribed({ ...result, publications: [] }, grant, clock.now())
    sockets.write(session, encodeSubscribe(channel, subscribed))
    for (const publication of result.publications) sockets.write(session, encodePub(channel, publication))
  }

  async #begin(
    session: Session,
    order: ServerSubscription,
    since: StreamPosition | undefined,
    told: (begun: Begun) => void = () => undefined,
  ): Promise<Begun | Refusal> {
    const { channel } = order
    const grant = await this.#context.grants.forServer(session, order)
    if (grant.kind === 'refused') return named(channel, grant)
    if (since !== undefined && order.mustRecover === true && !grant.isRecoverable)
      return refuse('badRequest', `recover_since: ${channel} has no recovery`)
    const bytes = channel.length + bytesBeside + sizeOf(grant)
    const asked = this.#asked.get(session) ?? 0
    if (!this.#context.sockets.hasRoom(session, asked + bytes))
      return refuse('limitExceeded', `${channel}: more than a connection can remember`)
    this.#asked.set(session, asked + bytes)
    return await new Promise((resolve) => {
      this.#context.channels.subscribe(session, channel, grant, since, (result) => {
        this.#asked.set(session, (this.#asked.get(session) ?? 0) - bytes)
        const begun = this.#answer(channel, grant, result)
        if (begun.kind === 'begun') {
          told(begun)
          if (grant.terms.expiresAt !== undefined) this.#context.watch(session)
        }
        resolve(begun)
      })
    })
  }

  #answer(channel: string, grant: SubscriptionGrant, result: StreamResult): Begun | Refusal {
    if (result.kind === 'refused') return named(channel, result)
    if (result.kind !== 'subscribed') return refuse('internal')
    return { kind: 'begun', channel, grant, result }
  }

  #encode({ grant, result }: Begun): string {
    return encodeSubscribed(result, grant, this.#context.clock.now())
  }
}

/** A refusal that says which of many subscriptions it is about. */
const named = (channel: string, { error, detail }: Refusal): Refusal =>
  refuse(error, detail === undefined ? channel : `${channel}: ${detail}`)

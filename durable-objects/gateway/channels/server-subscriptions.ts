import type { ServerSubscription } from '../../../src/auth/claims.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import type { UnsubscribeName } from '../../../src/protocol/close-codes.ts'
import { encodePub, encodeSubscribe, encodeUnsubscribe } from '../../../src/protocol/replies.ts'
import type { StreamPosition, StreamResult } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { encodeSubscribed } from '../connect/connect-reply.ts'
import type { SubscriptionGrant, SubscriptionGrants } from './subscription-grants.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { ChannelClient } from './channel-client.ts'
import { setTerms } from './shown-infos.ts'
import { bytesBeside, sizeOf } from './subscriptions.ts'

/** A subscription that the server ordered: its terms, and the answer of the stream. */
interface Begun {
  readonly kind: 'begun'
  readonly channel: string
  readonly grant: SubscriptionGrant
  readonly result: Extract<StreamResult, { kind: 'subscribed' }>
}

/** The subscriptions that the tenant's server orders for its users: by their connection tokens, or later. */
export class ServerSubscriptions {
  readonly #context: GatewayContext
  readonly #channels: ChannelClient
  readonly #grants: SubscriptionGrants
  /** Bytes that orders without an answer yet will take in the attachment of their connection. */
  readonly #reserved = new WeakMap<Session, number>()

  constructor(context: GatewayContext, channels: ChannelClient, grants: SubscriptionGrants) {
    this.#context = context
    this.#channels = channels
    this.#grants = grants
  }

  /** Begins all that a connection token orders. Returns their replies by channel, or the first refusal. `since` is the client's position. */
  async beginAll(
    session: Session,
    orders: readonly ServerSubscription[],
    since: (channel: string) => StreamPosition | undefined,
  ): Promise<{ readonly kind: 'begun'; readonly results: ReadonlyMap<string, string> } | Refusal> {
    // The personal stream is one more.
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
   * Subscribes a connected session and pushes that to it, with what was published after `since`. A subscription that the
   * server ordered before continues with the new terms; one that the client began stays as it is.
   */
  async begin(session: Session, order: ServerSubscription, since?: StreamPosition): Promise<Refusal | undefined> {
    const known = session.subscriptions.get(order.channel)
    if (known !== undefined) return known.terms?.server === true ? await this.#renew(session, order) : undefined
    const begun = await this.#begin(session, order, since, (subscribed) => this.#push(session, subscribed))
    return begun.kind === 'refused' ? begun : undefined
  }

  /** Ends a subscription of a session, ordered by the server or begun by the client, and pushes that to it. */
  end(session: Session, channel: string, name: UnsubscribeName): void {
    if (!session.subscriptions.has(channel)) return
    this.#channels.leave(session, channel)
    this.#context.sockets.write(session, encodeUnsubscribe(channel, name))
  }

  async #renew(session: Session, order: ServerSubscription): Promise<Refusal | undefined> {
    const grant = await this.#grants.forServer(session, order)
    if (grant.kind === 'refused') return named(order.channel, grant)
    if (!this.#context.sockets.canRemember(session, sizeOf(grant)))
      return refuse('limitExceeded', `${order.channel}: more than a connection can remember`)
    setTerms(this.#channels, session, order.channel, grant.terms)
    this.#context.watch(session)
    return undefined
  }

  /** A subscribe push carries no publications: those that were missed follow it. */
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
    onBegun: (begun: Begun) => void = () => undefined,
  ): Promise<Begun | Refusal> {
    const { channel } = order
    const grant = await this.#grants.forServer(session, order)
    if (grant.kind === 'refused') return named(channel, grant)
    if (since !== undefined && order.mustRecover === true && !grant.isRecoverable)
      return refuse('badRequest', `recover_since: ${channel} has no recovery`)
    const bytes = channel.length + bytesBeside + sizeOf(grant)
    const reserved = this.#reserved.get(session) ?? 0
    if (!this.#context.sockets.canRemember(session, reserved + bytes))
      return refuse('limitExceeded', `${channel}: more than a connection can remember`)
    this.#reserved.set(session, reserved + bytes)
    return await new Promise((resolve) => {
      this.#channels.subscribe(session, channel, grant, since, (result) => {
        this.#reserved.set(session, (this.#reserved.get(session) ?? 0) - bytes)
        const begun = this.#answer(channel, grant, result)
        if (begun.kind === 'begun') {
          onBegun(begun)
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

/** A refusal that names the channel it is about. */
const named = (channel: string, { error, detail }: Refusal): Refusal =>
  refuse(error, detail === undefined ? channel : `${channel}: ${detail}`)

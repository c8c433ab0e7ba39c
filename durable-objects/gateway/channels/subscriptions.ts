import { whenReady } from '../../../src/kernel/ready.ts'
import { inboxChannel, maxChannelLength, parseChannel } from '../../../src/protocol/channels.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import { encodeRefusal, encodeReply, encodeUnsubscribe } from '../../../src/protocol/replies.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import { endOf } from '../../../src/realtime/liveness.ts'
import { attachmentSize, type Session } from '../../../src/realtime/session.ts'
import { encodeExpiry, encodeSubscribed } from '../connect/connect-reply.ts'
import type { SubscriptionGrant, GrantDecision, SubscriptionGrants } from './subscription-grants.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { ChannelClient } from './channel-client.ts'
import { PendingSubscriptions } from './pending-subscriptions.ts'

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

/** Bytes of a subscription in its connection's attachment beside the channel's name and the token's terms. */
export const bytesBeside = 72

/** The subscriptions that clients begin and end themselves; they end when their token expires and is not renewed. */
export class Subscriptions {
  readonly #context: GatewayContext
  readonly #channels: ChannelClient
  readonly #grants: SubscriptionGrants
  readonly #pending = new PendingSubscriptions()

  constructor(context: GatewayContext, channels: ChannelClient, grants: SubscriptionGrants) {
    this.#context = context
    this.#channels = channels
    this.#grants = grants
  }

  subscribe(session: Session, command: Of<'subscribe'>): void {
    const { id, request } = command
    const { channel } = request
    if (channel === '') return this.#context.close(session, 'badRequest', 'subscribe without a channel')
    if (this.#pending.holds(session, channel, () => this.subscribe(session, command))) return
    const problem = this.#problemOf(session, request)
    if (problem !== undefined) return this.#refuse(session, id, problem)

    this.#pending.begin(session, channel, channel.length + bytesBeside)
    void whenReady(this.#grants.forClient(session, request), (granted) => this.#begin(session, command, granted))
  }

  unsubscribe(session: Session, id: number, channel: string): void {
    if (this.#pending.holds(session, channel, () => this.unsubscribe(session, id, channel))) return
    if (channel !== inboxChannel(session.user)) this.#channels.leave(session, channel)
    this.#reply(session, id, 'unsubscribe', '{}')
  }

  /** Renews a subscription by a new token. */
  async refresh(session: Session, { id, request }: Of<'sub_refresh'>): Promise<void> {
    const { channel, token } = request
    const name = parseChannel(channel)
    if (!session.subscriptions.has(channel)) return this.#refuse(session, id, refuse('permissionDenied'))
    if (name?.kind !== 'topic')
      return this.#refuse(session, id, refuse('notAvailable', 'only subscriptions to topics expire'))
    if (token === '') return this.#context.close(session, 'badRequest', 'sub_refresh without a token')

    const { namespaces, clock } = this.#context
    const known = await namespaces.find(session.tenant, name, clock.now())
    if (known.kind === 'refused') return this.#refuse(session, id, known)
    const claims = await this.#grants.verify(session, { channel, token }, known)
    if (claims.kind === 'turnedAway') return this.#context.close(session, claims.close, 'subscription token')
    if (claims.kind === 'refused') return this.#refuseRenewal(session, id, claims)
    const { expiresAt: _, ...terms } = session.subscriptions.get(channel)?.terms ?? {}
    const { expiresAt } = claims
    this.#channels.hub.setTerms(session, channel, { ...terms, ...(expiresAt === 0 ? {} : { expiresAt }) })
    this.#context.watch(session)
    this.#reply(session, id, 'sub_refresh', `{${encodeExpiry(expiresAt, clock.now()).join(',')}}`)
  }

  /** Ends the subscriptions that were not renewed in time. The SDK subscribes again, with a new token. */
  expire(session: Session, now: number): void {
    for (const subscription of session.subscriptions.values()) {
      if (endOf(subscription) > now) continue
      const { channel } = subscription
      this.#channels.leave(session, channel)
      this.#context.sockets.write(session, encodeUnsubscribe(channel, 'expired'))
    }
  }

  #problemOf(session: Session, { channel, type, tf }: Of<'subscribe'>['request']): Refusal | undefined {
    if (type !== 0) return refuse('notAvailable', 'map and shared poll subscriptions')
    if (tf !== undefined && tf !== null) return refuse('badRequest', 'tag filters are not supported')
    if (channel.length > maxChannelLength)
      return refuse('badRequest', `channel: at most ${maxChannelLength} characters`)
    if (session.subscriptions.has(channel)) return refuse('alreadySubscribed')
    return this.#refuseTooMany(session, channel.length + bytesBeside, 1)
  }

  #refuseTooMany(session: Session, bytes: number, channels: number): Refusal | undefined {
    const asked = this.#pending.asked(session)
    if (session.subscriptions.size + asked.channels + channels > sizes.channels)
      return refuse('limitExceeded', `at most ${sizes.channels} channels on one connection`)
    if (this.#context.sockets.canRemember(session, asked.bytes + bytes)) return undefined
    return refuse('limitExceeded', 'the names and infos of all channels are more than a connection can remember')
  }

  #begin(session: Session, command: Of<'subscribe'>, granted: GrantDecision): void {
    const { id, request } = command
    if (granted.kind === 'turnedAway') return this.#context.close(session, granted.close, 'subscription token')
    const problem = granted.kind === 'refused' ? granted : this.#refuseTooMany(session, sizeOf(granted), 0)
    if (granted.kind === 'refused' || problem !== undefined) {
      if (problem !== undefined) this.#refuse(session, id, problem)
      return this.#pending.end(session, request.channel)
    }
    this.#pending.grow(session, request.channel, sizeOf(granted))
    this.#channels.subscribe(session, request.channel, granted, since(request), (result) => {
      this.#answer(session, command, granted, result)
      this.#pending.end(session, request.channel)
    })
  }

  #answer(session: Session, { id, request }: Of<'subscribe'>, granted: SubscriptionGrant, result: StreamResult): void {
    if (result.kind === 'refused') return this.#refuse(session, id, result)
    if (result.kind !== 'subscribed') return this.#refuse(session, id, refuse('internal'))
    const lost = result.wasRecovering && !result.recovered && (request.flag & 2) !== 0
    if (!lost)
      return this.#reply(session, id, 'subscribe', encodeSubscribed(result, granted, this.#context.clock.now()))
    this.#channels.leave(session, request.channel)
    this.#refuse(session, id, refuse('unrecoverablePosition'))
  }

  #refuse(session: Session, id: number, refusal: Refusal): void {
    this.#context.sockets.write(session, encodeRefusal(id, refusal))
  }

  /** SDKs take an expired token for final here, unless the error is temporary: then they fetch another before the grace ends. */
  #refuseRenewal(session: Session, id: number, refusal: Refusal): void {
    if (refusal.error !== 'tokenExpired') return this.#refuse(session, id, refusal)
    this.#context.sockets.write(session, encodeRefusal(id, refusal, true))
  }

  #reply(session: Session, id: number, kind: string, result: string): void {
    this.#context.sockets.write(session, encodeReply(id, kind, result))
  }
}

/** The position a client asks to recover from; undefined when it asks for none. */
export const since = ({ recover, offset, epoch }: { recover: boolean; offset: number; epoch: string }) =>
  recover ? { offset, epoch } : undefined

/** Bytes of a grant in the attachment of its connection. */
export const sizeOf = ({ terms }: SubscriptionGrant): number => attachmentSize(terms)

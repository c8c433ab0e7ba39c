import type { Overrides } from '../../../src/auth/claims.ts'
import { verifySubscription, type SubscriptionClaims } from '../../../src/auth/subscription-token.ts'
import type { ServerSubscription, SigningKey } from '../../../src/auth/claims.ts'
import { keyNotFetched, namesUnknownKey, notYetValid } from '../../../src/auth/token.ts'
import { whenReady, type Ready } from '../../../src/kernel/ready.ts'
import { parseChannel, channelProblem, type TopicName } from '../../../src/protocol/channels.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { Namespace } from '../../../src/protocol/namespaces-api.ts'
import type { ConnectionClaim } from '../../../src/protocol/stream.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import { maySubscribe, type TopicCaller } from '../../../src/topics/access.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { KnownNamespace } from './namespace-cache.ts'

/** The terms of a subscription. `data` is JSON text for the reply. */
export interface SubscriptionGrant {
  readonly kind: 'granted'
  readonly joinLeave: boolean
  readonly isRecoverable: boolean
  /** The reply carries the position, also where the channel cannot recover. */
  readonly isPositioned?: boolean
  readonly terms: SubscriptionTerms
  readonly data?: string
  /** Shown to the user's own stream by a new connection. */
  readonly claim?: ConnectionClaim
}

/** A grant, a refusal, or a token so wrong that the connection is closed. */
export type GrantDecision = SubscriptionGrant | Refusal | { readonly kind: 'turnedAway'; readonly close: CloseName }

/** What decides a client's subscribe. */
export interface SubscribeRequest {
  readonly channel: string
  readonly token: string
  readonly join_leave: boolean
}

/** Decides whether a session may subscribe to a plain topic, and on what terms. Other streams decide for themselves. */
export class SubscriptionGrants {
  readonly #gateway: GatewayContext
  readonly #namespaces: GatewayContext['namespaces']
  readonly #clock: GatewayContext['clock']
  readonly #open: GatewayContext['config']['open']

  constructor(gateway: GatewayContext) {
    const { namespaces, clock, config } = gateway
    this.#gateway = gateway
    this.#namespaces = namespaces
    this.#clock = clock
    this.#open = config.open
  }

  /** Decides a client's subscribe. */
  forClient(session: Session, request: SubscribeRequest): Ready<GrantDecision> {
    const name = parseChannel(request.channel)
    if (name === undefined) return channelProblem(request.channel)
    if (name.kind === 'inbox' && name.user !== session.user) return refuse('permissionDenied')
    if (name.kind !== 'topic') return { kind: 'granted', joinLeave: request.join_leave, isRecoverable: true, terms: {} }
    return whenReady(this.#namespaces.find(session.tenant, name, this.#clock.now()), (known) => {
      if (known.kind === 'refused') return known
      if (request.token !== '') return this.#byToken(session, request, known)
      const decided = decide(session, request, name, known)
      return decided.kind === 'refused' ? this.#decideAgain(session, request, name) : decided
    })
  }

  /** Decides an order of the tenant's server: any existing channel, except the personal streams of users. */
  forServer(
    session: Session,
    { channel, overrides, info, data, expiresAt }: ServerSubscription,
  ): Ready<SubscriptionGrant | Refusal> {
    const name = parseChannel(channel)
    if (name === undefined) return channelProblem(channel)
    if (name.kind === 'inbox' && name.user !== session.user)
      return refuse('permissionDenied', 'the personal stream of another user')
    if (name.kind === 'inbox') return refuse('permissionDenied', 'a personal stream comes with its user')
    const terms = {
      server: true as const,
      ...(info === undefined ? {} : { chanInfo: info }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }
    const answer = data === undefined ? {} : { data }
    if (name.kind !== 'topic')
      return {
        kind: 'granted',
        joinLeave: overrides.pushJoinLeave ?? false,
        isRecoverable: overrides.recovery ?? true,
        isPositioned: overrides.positioning ?? false,
        terms,
        ...answer,
      }
    return whenReady(this.#namespaces.find(session.tenant, name, this.#clock.now()), (known) =>
      known.kind === 'refused' ? known : { ...grant(known.namespace, overrides, false, terms), ...answer },
    )
  }

  /** Verifies a subscription token of this connection for this channel, of a new subscription or a renewal. */
  async verify(
    session: Session,
    { channel, token }: Omit<SubscribeRequest, 'join_leave'>,
    { admission }: KnownNamespace,
  ): Promise<SubscriptionClaims | Exclude<GrantDecision, SubscriptionGrant>> {
    const { tenant, user, client } = session
    const isOpen = this.#open?.tenant === tenant
    const known = this.#keysOf(tenant, admission)
    const keys = namesUnknownKey(token, known)
      ? this.#keysOf(tenant, (await this.#namespaces.askAgain(tenant, this.#clock.now())) ?? admission)
      : known
    const rules = { tenant, mayOmitTenant: true, mayLast: isOpen }
    const read = await verifySubscription(token, { user, client, channel }, keys, rules, this.#clock.now())
    if (read.kind === 'ticket') return read
    if (read.kind === 'mismatch') return { kind: 'turnedAway', close: 'invalidToken' }
    if (read.kind === 'expired') return refuse('tokenExpired')
    if (read.kind === 'notYetValid') return refuse('tokenExpired', notYetValid)
    if (read.kind === 'invalid' && (await this.#gateway.mayBePublished(admission, token)))
      return refuse('tokenExpired', keyNotFetched)
    return refuse('permissionDenied', 'the token is not valid')
  }

  #keysOf(tenant: string, { secrets }: KnownNamespace['admission']): SigningKey[] {
    return [...(this.#open?.tenant === tenant ? [this.#open.tokenKey] : []), ...secrets.tokenKeys]
  }

  /** SDKs take a refusal for final: it is decided by the tenant's present record, not by the cached one. */
  async #decideAgain(session: Session, request: SubscribeRequest, name: TopicName): Promise<GrantDecision> {
    const now = this.#clock.now()
    await this.#namespaces.askAgain(session.tenant, now)
    const known = await this.#namespaces.find(session.tenant, name, now)
    return known.kind === 'refused' ? known : decide(session, request, name, known)
  }

  async #byToken(session: Session, request: SubscribeRequest, known: KnownNamespace): Promise<GrantDecision> {
    const claims = await this.verify(session, request, known)
    if (claims.kind !== 'ticket') return claims
    return grant(known.namespace, claims.overrides, request.join_leave, {
      ...(claims.expiresAt === 0 ? {} : { expiresAt: claims.expiresAt }),
      ...(claims.info === undefined ? {} : { chanInfo: claims.info }),
    })
  }
}

/** A connection as a topic's permissions see it. */
export const topicCallerOf = ({ user, capabilities, subscriptions }: Session, channel: string): TopicCaller => ({
  user,
  capabilities,
  isSubscribed: subscriptions.has(channel),
})

function decide(
  session: Session,
  request: SubscribeRequest,
  name: TopicName,
  { namespace }: KnownNamespace,
): GrantDecision {
  const denied = maySubscribe(namespace, request.channel, name, topicCallerOf(session, request.channel))
  return denied ?? grant(namespace, {}, request.join_leave, {})
}

function grant(
  namespace: Namespace,
  overrides: Overrides,
  asksJoinLeave: boolean,
  terms: SubscriptionTerms,
): SubscriptionGrant {
  const { presence, joinLeave, pushJoinLeave, recovery, positioning } = overrides
  return {
    kind: 'granted',
    joinLeave: (pushJoinLeave ?? namespace.forcePushJoinLeave) || (asksJoinLeave && (joinLeave ?? namespace.joinLeave)),
    isRecoverable: namespace.historySize > 0 && (recovery ?? namespace.recovery),
    isPositioned: positioning ?? false,
    terms: {
      ...terms,
      ...(presence === false ? { hidden: true } : {}),
      ...(joinLeave === undefined || joinLeave === namespace.joinLeave ? {} : { joinLeave }),
    },
  }
}

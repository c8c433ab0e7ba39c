import type { Overrides } from '../../../src/auth/claims.ts'
import { verifySubscription, type SubscriptionClaims } from '../../../src/auth/subscription-token.ts'
import { namesUnknownKey, notYetValid, type ServerSubscription, type SigningKey } from '../../../src/auth/token.ts'
import type { Config } from '../../../src/config.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { whenReady, type Ready } from '../../../src/kernel/ready.ts'
import { parseChannel, whyNoChannel, type TopicName } from '../../../src/protocol/channels.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { Namespace } from '../../../src/protocol/namespaces-api.ts'
import type { ConnectionClaim } from '../../../src/protocol/stream.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import { maySubscribe, type TopicCaller } from '../../../src/topics/access.ts'
import type { KnownNamespace, NamespaceCache } from './namespace-cache.ts'

/** How somebody may listen to a channel. `data` is JSON text for the reply. */
export interface SubscriptionGrant {
  readonly kind: 'granted'
  readonly joinLeave: boolean
  readonly isRecoverable: boolean
  /** Its position is told also where it cannot recover. */
  readonly isPositioned?: boolean
  readonly terms: SubscriptionTerms
  readonly data?: string
  /** What the stream wants to see of a new connection. */
  readonly claim?: ConnectionClaim
}

/** Leave to listen, a refusal, or a token so wrong that the connection ends. */
export type GrantDecision = SubscriptionGrant | Refusal | { readonly kind: 'turnedAway'; readonly close: CloseName }

/** What a client's subscribe says of itself. */
export interface SubscribeRequest {
  readonly channel: string
  readonly token: string
  readonly join_leave: boolean
}

/** Decides who may listen to a plain topic and on what terms. Other streams decide for themselves. */
export class SubscriptionGrants {
  readonly #namespaces: NamespaceCache
  readonly #clock: Clock
  readonly #open: Config['open']

  constructor(namespaces: NamespaceCache, clock: Clock, { open }: Config) {
    this.#namespaces = namespaces
    this.#clock = clock
    this.#open = open
  }

  /** For a client that asks. */
  forClient(session: Session, wish: SubscribeRequest): Ready<GrantDecision> {
    const name = parseChannel(wish.channel)
    if (name === undefined) return whyNoChannel(wish.channel)
    if (name.kind === 'inbox' && name.user !== session.user) return refuse('permissionDenied')
    if (name.kind !== 'topic') return { kind: 'granted', joinLeave: wish.join_leave, isRecoverable: true, terms: {} }
    return whenReady(this.#namespaces.find(session.tenant, name, this.#clock.now()), (known) => {
      if (known.kind === 'refused') return known
      if (wish.token !== '') return this.#byToken(session, wish, known)
      const visited = visit(session, wish, name, known)
      return visited.kind === 'refused' ? this.#visitAgain(session, wish, name) : visited
    })
  }

  /** For the tenant's own server, which may subscribe its users to anything that is, but a personal stream is one person's. */
  forServer(
    session: Session,
    { channel, overrides, info, data, expiresAt }: ServerSubscription,
  ): Ready<SubscriptionGrant | Refusal> {
    const name = parseChannel(channel)
    if (name === undefined) return whyNoChannel(channel)
    if (name.kind === 'inbox' && name.user !== session.user) return refuse('permissionDenied', 'a stream of her own')
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

  /** A subscription token of this connection for this channel. Also for one that is renewed. */
  async verify(
    session: Session,
    { channel, token }: Omit<SubscribeRequest, 'join_leave'>,
    { admission }: KnownNamespace,
  ): Promise<SubscriptionClaims | Exclude<GrantDecision, SubscriptionGrant>> {
    const { tenant, user, client } = session
    const isOpen = this.#open?.tenant === tenant
    const believed = this.#keysOf(tenant, admission)
    const keys = namesUnknownKey(token, believed)
      ? this.#keysOf(tenant, (await this.#namespaces.askAgain(tenant, this.#clock.now())) ?? admission)
      : believed
    const rules = { tenant, mayOmitTenant: true, mayLast: isOpen }
    const read = await verifySubscription(token, { user, client, channel }, keys, rules, this.#clock.now())
    if (read.kind === 'ticket') return read
    if (read.kind === 'mismatch') return { kind: 'turnedAway', close: 'invalidToken' }
    if (read.kind === 'expired') return refuse('tokenExpired')
    if (read.kind === 'notYetValid') return refuse('tokenExpired', notYetValid)
    return refuse('permissionDenied', 'the token is not valid')
  }

  #keysOf(tenant: string, { secrets }: KnownNamespace['admission']): SigningKey[] {
    return [...(this.#open?.tenant === tenant ? [this.#open.tokenKey] : []), ...secrets.tokenKeys]
  }

  /** SDKs take a refusal for final: it is given by what the tenant's actor says now, not by what was believed here. */
  async #visitAgain(session: Session, wish: SubscribeRequest, name: TopicName): Promise<GrantDecision> {
    const now = this.#clock.now()
    await this.#namespaces.askAgain(session.tenant, now)
    const known = await this.#namespaces.find(session.tenant, name, now)
    return known.kind === 'refused' ? known : visit(session, wish, name, known)
  }

  async #byToken(session: Session, wish: SubscribeRequest, known: KnownNamespace): Promise<GrantDecision> {
    const ticket = await this.verify(session, wish, known)
    if (ticket.kind !== 'ticket') return ticket
    return grant(known.namespace, ticket.overrides, wish.join_leave, {
      ...(ticket.expiresAt === 0 ? {} : { expiresAt: ticket.expiresAt }),
      ...(ticket.info === undefined ? {} : { chanInfo: ticket.info }),
    })
  }
}

/** Who this connection is to a topic. */
export const topicCallerOf = ({ user, capabilities, subscriptions }: Session, channel: string): TopicCaller => ({
  user,
  capabilities,
  isSubscribed: subscriptions.has(channel),
})

function visit(
  session: Session,
  wish: SubscribeRequest,
  name: TopicName,
  { namespace }: KnownNamespace,
): GrantDecision {
  const denied = maySubscribe(namespace, wish.channel, name, topicCallerOf(session, wish.channel))
  return denied ?? grant(namespace, {}, wish.join_leave, {})
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

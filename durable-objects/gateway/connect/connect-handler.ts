import type { Claims } from '../../../src/auth/claims.ts'
import { bannedMark } from '../../../src/inbox/user-ban.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { whenReady, type Ready } from '../../../src/kernel/ready.ts'
import { spreadMs, within } from '../../../src/kernel/retry.ts'
import { inboxChannel } from '../../../src/protocol/channels.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodePub, encodeRefusal, encodeReply } from '../../../src/protocol/replies.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import type { ConnectionClaim, StreamPosition } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { AdmissionQueue } from '../../../src/realtime/admission-queue.ts'
import type { TenantLimits } from '../../../src/tenants/record.ts'
import { encodeConnected, encodeExpiry, encodeOwn, ownStream, type SubscribedResult } from './connect-reply.ts'
import { ConnectionAuthenticator, type Authentication } from './connection-authenticator.ts'
import type { ServerSubscriptions } from '../channels/server-subscriptions.ts'
import { admissionDueMs, type GatewayContext } from '../gateway-context.ts'
import { infoChanged } from '../channels/shown-infos.ts'
import type { GatewayActivity } from '../activity/gateway-activity.ts'
import type { ChannelClient } from '../channels/channel-client.ts'
import { inboxOf } from '../../address.ts'
import type { TenantConnectionLimiter } from './tenant-connection-limiter.ts'

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

/** The parts of the gateway that a connect needs; `handle` runs the commands that waited for its reply. */
export interface ConnectParts {
  readonly channels: ChannelClient
  readonly activity: GatewayActivity
  readonly serverSubscriptions: ServerSubscriptions
  readonly limiter: TenantConnectionLimiter
  readonly handle: (session: Session, command: Command) => void
}

/** Connects under way at once: enough to keep the inboxes busy, few enough that the first are answered soon. */
const atOnce = 64

const tooLarge = refuse('limitExceeded', "the token's info and capabilities are more than a connection can remember")

/** Handles `connect`, in the order of arrival and with the user's personal stream subscribed, and `refresh`. */
export class ConnectHandler {
  readonly #context: GatewayContext
  readonly #parts: ConnectParts
  readonly #authenticator: ConnectionAuthenticator
  readonly #queue = new AdmissionQueue(atOnce)
  /** Commands that arrived before the connect was answered, by session. */
  readonly #deferred = new Map<Session, DeferredCommands>()

  constructor(context: GatewayContext, parts: ConnectParts) {
    this.#context = context
    this.#parts = parts
    this.#authenticator = new ConnectionAuthenticator(context.tenants, context.config, (admission, token) =>
      context.mayBePublished(admission, token),
    )
  }

  connect(session: Session, command: Of<'connect'>): void {
    if (session.phase !== 'new') return this.#context.close(session, 'badRequest', 'already connected')
    session.phase = 'connecting'
    this.#deferred.set(session, new DeferredCommands())
    this.#queue.enqueue({
      enter: () => this.#accept(session, command),
      isGone: () => session.phase === 'closed',
    })
  }

  /** Counts a frame whose commands wait until the connect is answered. Too many bytes close the connection. */
  countDeferred(session: Session, bytes: number): void {
    if (this.#deferred.get(session)?.admits(bytes) === false)
      this.#context.close(session, 'tooManyRequests', 'too many commands before the connect was answered')
  }

  /** Keeps a command until the connect is answered. */
  defer(session: Session, command: Command): void {
    this.#deferred.get(session)?.commands.push(command)
  }

  /** Renews the token of a connected session. A token of another user closes the connection. */
  async refresh(session: Session, { id, request }: Of<'refresh'>): Promise<void> {
    const { sockets, clock } = this.#context
    const end = (name: CloseName, reason: string) => this.#context.close(session, name, reason)
    if (request.token === '') return end('badRequest', 'refresh without a token')
    const admitted = await this.#admit(session, request.token, '')
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return end(admitted.close, 'token')
    if (admitted.kind === 'refused') {
      if (admitted.error === 'tokenExpired') return end('expired', 'token')
      return sockets.write(session, encodeRefusal(id, admitted))
    }
    const { tenant, user, expiresAt, issuedAt } = admitted.claims
    if (tenant !== session.tenant || user !== session.user) return end('invalidToken', 'another user')
    const revoked = await this.#revoked(session, issuedAt)
    if (revoked !== undefined) return end(revoked, 'revoked')
    if (!this.#remember(session, admitted.claims)) return sockets.write(session, encodeRefusal(id, tooLarge))
    this.#context.watch(session)
    const result = [`"client":"${session.client}"`, ...encodeExpiry(expiresAt, clock.now())]
    sockets.write(session, encodeReply(id, 'refresh', `{${result.join(',')}}`))
  }

  /** While the inbox is unreachable the session stays: its user's stream publishes a revocation by itself. */
  async #revoked(session: Session, issuedAt: number): Promise<CloseName | undefined> {
    try {
      const inbox = inboxOf(this.#context.env, session.tenant, session.user)
      const revokedAt = await within(admissionDueMs, 'the inbox', inbox.revokedAt())
      if (issuedAt <= revokedAt) return revokedAt === bannedMark ? 'banned' : 'invalidToken'
    } catch (thrown) {
      log.warn('gateway.revoked-unknown', { client: session.client, reason: reasonOf(thrown) })
    }
    return undefined
  }

  /** The connection has closed, in any phase. */
  closed(session: Session): void {
    this.#deferred.delete(session)
  }

  async #accept(session: Session, command: Of<'connect'>): Promise<void> {
    const admitted = await this.#admit(session, command.request.token, session.origin)
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return this.#context.close(session, admitted.close, 'token')
    if (admitted.kind === 'refused') return this.#refuse(session, command.id, admitted)
    if (!this.#remember(session, admitted.claims)) return this.#refuse(session, command.id, tooLarge)
    const hasSlot = await this.#parts.limiter.take(session)
    if (hasEnded(session)) return this.#parts.limiter.release(session)
    if (!hasSlot) return this.#refuse(session, command.id, noSlot())
    await this.#subscribeOwn(session, command, admitted)
  }

  /** Takes over the token's claims; false when they are more than the socket's attachment can keep. */
  #remember(session: Session, claims: Claims): boolean {
    const { tenant, user, expiresAt, issuedAt, info, capabilities = [] } = claims
    const before = { info: session.info, capabilities: session.capabilities }
    Object.assign(session, { tenant, user, info, capabilities })
    if (!this.#context.sockets.canRemember(session, 0)) {
      Object.assign(session, before)
      return false
    }
    Object.assign(session, { expiresAt, issuedAt })
    if (info !== before.info) infoChanged(this.#parts.channels, session)
    this.#context.sockets.changed(session)
    return true
  }

  /** Subscribes the session to its own stream and to what its token orders, and replies to the connect with the answers. */
  async #subscribeOwn(
    session: Session,
    { id, request }: Of<'connect'>,
    { claims, limits, isPlain }: Extract<Authentication, { kind: 'admitted' }>,
  ): Promise<void> {
    const { serverSubscriptions, channels } = this.#parts
    const since = (channel: string) =>
      positionOf(Object.hasOwn(request.subs, channel) ? request.subs[channel] : undefined)
    const begun = await serverSubscriptions.beginAll(session, claims.subscriptions ?? [], since)
    if (session.phase === 'closed') return
    if (begun.kind === 'refused') return this.#refuse(session, id, begun)
    // Without the user's own stream, which checks it too.
    const revoked = isPlain && session.user !== '' ? await this.#revoked(session, session.issuedAt) : undefined
    if (revoked !== undefined) return this.#context.close(session, revoked, 'revoked')
    if (hasEnded(session)) return
    const connections = this.#context.registry.authenticated(session)
    if (session.user === '' || isPlain) return this.#open(session, id, limits, begun.results)

    const channel = inboxChannel(session.user)
    const claim: ConnectionClaim = { issuedAt: session.issuedAt, connections, atMost: limits.connectionsPerUser }
    await new Promise<void>((resolve) => {
      channels.subscribe(session, channel, { ...ownStream, claim }, since(channel), (result) => {
        if (result.kind !== 'subscribed')
          this.#closeRefused(session, id, result.kind === 'refused' ? result : refuse('internal'))
        else
          void whenReady(this.#listen(session, result, since(channel)), (missed) => {
            const own = encodeOwn(result, missed, this.#context.clock.now())
            this.#open(session, id, limits, new Map([[channel, own], ...begun.results]), missed)
          })
        // Other connects do not wait until the gateway listens: they do so together.
        resolve()
      })
    })
  }

  /** Has the gateway listen to the user's conversations. Returns the events that a returning client missed since its position, undefined when there are too many. */
  #listen(
    session: Session,
    { buckets, recovered }: SubscribedResult,
    since: StreamPosition | undefined,
  ): Ready<readonly string[] | undefined> {
    if (session.phase === 'closed') return []
    return this.#parts.activity.connected(session, buckets, recovered ? since?.offset : undefined)
  }

  /** The connect's reply goes first, then the events that the client missed, then the pushes that waited for the reply. */
  #open(
    session: Session,
    id: number,
    limits: TenantLimits,
    subs: ReadonlyMap<string, string>,
    missed: readonly string[] = [],
  ): void {
    if (session.phase === 'closed') return
    const { sockets, clock } = this.#context
    session.phase = 'open'
    this.#context.watch(session)
    sockets.changed(session)
    const pushes = missed.map((data) => encodePub(inboxChannel(session.user), { offset: 0, data }))
    const reply = encodeReply(id, 'connect', encodeConnected(session, subs, limits, clock.now()))
    session.outgoing.unshift(reply, ...pushes)
    sockets.written(session)
    this.#runDeferred(session)
  }

  async #admit({ client }: Session, token: string, origin: string): Promise<Authentication> {
    try {
      return await this.#authenticator.authenticate(token, this.#context.clock.now(), origin)
    } catch (thrown) {
      log.error('gateway.admit-failed', { client, reason: reasonOf(thrown) })
      return refuse('internal', 'the tenant could not be reached')
    }
  }

  /** The user's own stream refused the connection. SDKs try again or not by the code. */
  #closeRefused(session: Session, id: number, refusal: Refusal): void {
    if (refusal.error === 'unauthorized') this.#context.close(session, 'invalidToken', 'revoked')
    else if (refusal.error === 'banned') this.#context.close(session, 'banned', 'user')
    else if (refusal.error === 'limitExceeded') this.#context.close(session, 'connectionLimit', 'user')
    else this.#refuse(session, id, refusal)
  }

  /** After an error to its connect the SDK closes the connection and opens another. */
  #refuse(session: Session, id: number, refusal: Refusal): void {
    this.#deferred.delete(session)
    this.#context.registry.rejected(session)
    this.#parts.limiter.release(session)
    for (const channel of session.subscriptions.keys()) this.#parts.channels.leave(session, channel)
    session.outgoing.length = 0
    session.phase = 'new'
    session.tenant = ''
    this.#context.sockets.write(session, encodeRefusal(id, refusal))
  }

  #runDeferred(session: Session): void {
    const commands = this.#deferred.get(session)?.commands ?? []
    this.#deferred.delete(session)
    for (const command of commands) this.#parts.handle(session, command)
  }
}

/** The position a client has of a server-side subscription. */
const positionOf = (known: Of<'connect'>['request']['subs'][string] | undefined): StreamPosition | undefined =>
  known?.recover === true ? { offset: known.offset, epoch: known.epoch } : undefined

/** Checked after an await, during which the connection may have closed. */
const hasEnded = (session: Session): boolean => session.phase === 'closed'

/** A slot is free once another connection closes; when that is cannot be known. */
function noSlot(): Refusal {
  const waitMs = spreadMs(5000, Math.random())
  return refuse('tooManyRequests', `connections: your tenant has as many as it may; wait ${waitMs} ms`, waitMs)
}

/** Bytes of frames that may wait for the reply to a connect. */
export const deferredBytes = 4 * sizes.frameBytes

/** The commands of one connection that arrived before its connect was answered, in order. */
export class DeferredCommands {
  readonly commands: Command[] = []
  #bytes = 0

  /** Counts a further frame; false when more bytes arrived than may wait. */
  admits(frameBytes: number): boolean {
    this.#bytes += frameBytes
    return this.#bytes <= deferredBytes
  }
}

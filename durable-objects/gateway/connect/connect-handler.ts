import type { Claims } from '../../../src/auth/token.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { spreadMs } from '../../../src/kernel/retry.ts'
import { inboxChannel } from '../../../src/protocol/channels.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodeRefusal, encodeReply } from '../../../src/protocol/replies.ts'
import type { ConnectionClaim, StreamPosition } from '../../../src/protocol/stream.ts'
import { EarlyCommands } from '../../../src/realtime/early-commands.ts'
import type { ConnectionRegistry } from '../../../src/realtime/connection-registry.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { AdmissionQueue } from '../../../src/realtime/admission-queue.ts'
import type { TenantLimits } from '../../../src/tenants/record.ts'
import { encodeConnected, encodeExpiry, encodeSubscribed } from './connect-reply.ts'
import type { Authentication, ConnectionAuthenticator } from './connection-authenticator.ts'
import type { SubscriptionGrant } from '../channels/subscription-grants.ts'
import type { ServerSubscriptions } from '../channels/server-subscriptions.ts'
import type { Sockets } from '../transport/sockets.ts'
import type { ChannelClient } from '../channels/channel-client.ts'
import type { TenantConnectionLimiter } from './tenant-connection-limiter.ts'

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

/** What an entrance works with. `end` closes a session; `obey` takes the commands that waited for the connect. */
export interface ConnectHandlerContext {
  readonly sockets: Sockets
  readonly channels: ChannelClient
  readonly authenticator: ConnectionAuthenticator
  readonly registry: ConnectionRegistry
  readonly limiter: TenantConnectionLimiter
  /** Since when a user's tokens count, in milliseconds: those issued until then were revoked. */
  readonly revokedAt: (session: Session) => Promise<number>
  /** What tokens subscribe their connections to. */
  readonly serverSubscriptions: ServerSubscriptions
  readonly clock: Clock
  /** The session's token is another one. */
  readonly watch: (session: Session) => void
  readonly close: (session: Session, name: CloseName, why: string) => void
  readonly handle: (session: Session, command: Command) => void
}

/** Connects under way at once: enough to keep every inbox busy, few enough that the first are in soon. */
const atOnce = 64

/** How everybody listens to her own stream. */
const ownStream: SubscriptionGrant = { kind: 'granted', joinLeave: false, isRecoverable: true, terms: { server: true } }

const tooMuch = refuse('limitExceeded', "the token's info and capabilities are more than a connection can remember")

/** Where sessions say who they are: lets them in with their personal stream, in the order they came, and renews their tokens. */
export class ConnectHandler {
  readonly #context: ConnectHandlerContext
  readonly #queue = new AdmissionQueue(atOnce)
  /** Commands that came before the connect was answered, by session. */
  readonly #deferred = new Map<Session, EarlyCommands>()

  constructor(parts: ConnectHandlerContext) {
    this.#context = parts
  }

  connect(session: Session, command: Of<'connect'>): void {
    if (session.phase !== 'new') return this.#context.close(session, 'badRequest', 'already connected')
    session.phase = 'connecting'
    this.#deferred.set(session, new EarlyCommands())
    this.#queue.enqueue({
      enter: () => this.#accept(session, command),
      isGone: () => session.phase === 'closed',
    })
  }

  /** A further frame of `bytes` has to wait until the connect is answered. What is too much to keep closes the connection. */
  waits(session: Session, bytes: number): void {
    if (this.#deferred.get(session)?.admits(bytes) === false)
      this.#context.close(session, 'tooManyRequests', 'too many commands before the connect was answered')
  }

  /** Keeps a command until the connect is answered. */
  defer(session: Session, command: Command): void {
    this.#deferred.get(session)?.commands.push(command)
  }

  /** A new token for a session that is in: of the same user, or it ends. */
  async refresh(session: Session, { id, request }: Of<'refresh'>): Promise<void> {
    const { sockets, close: end, clock } = this.#context
    if (request.token === '') return end(session, 'badRequest', 'refresh without a token')
    const admitted = await this.#admit(request.token, '')
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return end(session, admitted.close, 'token')
    if (admitted.kind === 'refused') {
      if (admitted.error === 'tokenExpired') return end(session, 'expired', 'token')
      return sockets.write(session, encodeRefusal(id, admitted))
    }
    const { tenant, user, expiresAt, issuedAt } = admitted.claims
    if (tenant !== session.tenant || user !== session.user) return end(session, 'invalidToken', 'another user')
    if (await this.#isRevoked(session, issuedAt)) return end(session, 'invalidToken', 'revoked')
    if (!this.#remember(session, admitted.claims)) return sockets.write(session, encodeRefusal(id, tooMuch))
    this.#context.watch(session)
    const result = [`"client":"${session.client}"`, ...encodeExpiry(expiresAt, clock.now())]
    sockets.write(session, encodeReply(id, 'refresh', `{${result.join(',')}}`))
  }

  /** When nobody can say, the session keeps what it has: its user's stream tells of a revocation by itself. */
  async #isRevoked(session: Session, issuedAt: number): Promise<boolean> {
    try {
      return issuedAt <= (await this.#context.revokedAt(session))
    } catch (thrown) {
      log.warn('gateway.revoked-unknown', { why: reasonOf(thrown) })
      return false
    }
  }

  /** The session has ended, wherever it stood. */
  closed(session: Session): void {
    this.#deferred.delete(session)
  }

  async #accept(session: Session, command: Of<'connect'>): Promise<void> {
    const admitted = await this.#admit(command.request.token, session.origin)
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return this.#context.close(session, admitted.close, 'token')
    if (admitted.kind === 'refused') return this.#refuse(session, command.id, admitted)
    if (!this.#remember(session, admitted.claims)) return this.#refuse(session, command.id, tooMuch)
    const hasSlot = await this.#context.limiter.take(session)
    if (hasEnded(session)) return this.#context.limiter.release(session)
    if (!hasSlot) return this.#refuse(session, command.id, noSlot())
    await this.#subscribeOwn(session, command, admitted)
  }

  /** What the token said of the connection; false when that is more than a socket keeps through sleep. */
  #remember(session: Session, claims: Claims): boolean {
    const { tenant, user, expiresAt, issuedAt, info, capabilities = [] } = claims
    const before = { info: session.info, capabilities: session.capabilities }
    Object.assign(session, { tenant, user, info, capabilities })
    if (!this.#context.sockets.hasRoom(session, 0)) {
      Object.assign(session, before)
      return false
    }
    Object.assign(session, { expiresAt, issuedAt })
    this.#context.sockets.changed(session)
    return true
  }

  /** Subscribes the session to its own stream and to what its token orders; the connect's reply is made of the answers. */
  async #subscribeOwn(
    session: Session,
    { id, request }: Of<'connect'>,
    { claims, limits, isPlain }: Extract<Authentication, { kind: 'admitted' }>,
  ): Promise<void> {
    const { serverSubscriptions: orders, channels: streams } = this.#context
    const stood = (channel: string) =>
      positionOf(Object.hasOwn(request.subs, channel) ? request.subs[channel] : undefined)
    const begun = await orders.beginAll(session, claims.subscriptions ?? [], stood)
    if (session.phase === 'closed') return
    if (begun.kind === 'refused') return this.#refuse(session, id, begun)
    // Without the user's own stream, which checks it too.
    if (isPlain && session.user !== '' && (await this.#isRevoked(session, session.issuedAt)))
      return this.#context.close(session, 'invalidToken', 'revoked')
    if (hasEnded(session)) return
    const connections = this.#context.registry.authenticated(session)
    if (session.user === '' || isPlain) return this.#open(session, id, limits, begun.results)

    const channel = inboxChannel(session.user)
    const pass: ConnectionClaim = { issuedAt: session.issuedAt, connections, atMost: limits.connectionsPerUser }
    await new Promise<void>((greeted) => {
      streams.subscribe(session, channel, { ...ownStream, claim: pass }, stood(channel), (result) => {
        if (result.kind !== 'subscribed')
          this.#closeRefused(session, id, result.kind === 'refused' ? result : refuse('internal'))
        else {
          const own = encodeSubscribed(result, ownStream, this.#context.clock.now())
          this.#open(session, id, limits, new Map([[channel, own], ...begun.results]))
        }
        greeted()
      })
    })
  }

  /** What was said on its streams meanwhile was held back: the connect's reply comes first. */
  #open(session: Session, id: number, limits: TenantLimits, subs: ReadonlyMap<string, string>): void {
    if (session.phase === 'closed') return
    const { sockets, clock, watch } = this.#context
    session.phase = 'open'
    watch(session)
    sockets.changed(session)
    session.outgoing.unshift(encodeReply(id, 'connect', encodeConnected(session, subs, limits, clock.now())))
    sockets.written(session)
    this.#runDeferred(session)
  }

  async #admit(token: string, origin: string): Promise<Authentication> {
    try {
      return await this.#context.authenticator.authenticate(token, this.#context.clock.now(), origin)
    } catch (thrown) {
      log.error('gateway.admit-failed', { why: reasonOf(thrown) })
      return refuse('internal', 'the tenant could not be reached')
    }
  }

  /** Her own stream would not have the connection: by its code the SDK knows whether to try again. */
  #closeRefused(session: Session, id: number, refusal: Refusal): void {
    const { close: end } = this.#context
    if (refusal.error === 'unauthorized') end(session, 'invalidToken', 'revoked')
    else if (refusal.error === 'limitExceeded') end(session, 'connectionLimit', 'user')
    else this.#refuse(session, id, refusal)
  }

  /** After an error to connect the connection is of no more use; the SDK opens another. */
  #refuse(session: Session, id: number, refusal: Refusal): void {
    this.#deferred.delete(session)
    this.#context.registry.rejected(session)
    this.#context.limiter.release(session)
    for (const channel of session.subscriptions.keys()) this.#context.channels.leave(session, channel)
    session.outgoing.length = 0
    session.phase = 'new'
    session.tenant = ''
    this.#context.sockets.write(session, encodeRefusal(id, refusal))
  }

  #runDeferred(session: Session): void {
    const commands = this.#deferred.get(session)?.commands ?? []
    this.#deferred.delete(session)
    for (const command of commands) this.#context.handle(session, command)
  }
}

/** Where a client says that it stood on a server-side subscription. */
const positionOf = (known: Of<'connect'>['request']['subs'][string] | undefined): StreamPosition | undefined =>
  known?.recover === true ? { offset: known.offset, epoch: known.epoch } : undefined

/** Asked after a wait, in which it may have. */
const hasEnded = (session: Session): boolean => session.phase === 'closed'

/** A slot is free when somebody leaves, which nobody can foretell. */
function noSlot(): Refusal {
  const waitMs = spreadMs(5000, Math.random())
  return refuse('tooManyRequests', `connections: your tenant has as many as it may; wait ${waitMs} ms`, waitMs)
}

import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../src/env.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { log, reasonOf } from '../src/kernel/log.ts'
import { closes, type CloseName } from '../src/protocol/close-codes.ts'
import { parseFrame, type Command } from '../src/protocol/commands.ts'
import { inboxChannel } from '../src/protocol/channels.ts'
import { sizes } from '../src/protocol/limits.ts'
import { encodeRefusal, encodeReply, type ClientInfo } from '../src/protocol/replies.ts'
import { refuse, type Refusal } from '../src/protocol/errors.ts'
import type { ChannelUpdate } from '../src/protocol/stream.ts'
import type { Session } from '../src/realtime/session.ts'
import { Doorman, type Admitted } from './parts/doorman.ts'
import { Heartbeat } from './parts/heartbeat.ts'
import { encodeConnected } from './parts/connected.ts'
import { Desk } from './parts/desk.ts'
import { MessageLimits } from './parts/message-limits.ts'
import { Sockets } from './parts/sockets.ts'
import { Streams } from './parts/streams.ts'
import { TenantCache } from '../src/tenants/cache.ts'
import { tenantOf } from './address.ts'

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

/** Figures of one gateway instance; they begin anew when it wakes. */
export interface GatewayStats {
  readonly sockets: number
  readonly channels: number
  readonly calls: number
  readonly errands: number
  readonly since: number
}

/** Holds the sockets of one region's users: lets them in, merges what they say, and tells each what it listens to, in order. */
export class Gateway extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #since = this.#clock.now()
  readonly #sockets = new Sockets(this.ctx, (session) => this.#gone(session))
  readonly #streams = new Streams(this.env, this.ctx.id.name ?? '', this.#sockets)
  readonly #tenants = new TenantCache((tenant) => tenantOf(this.env, tenant).admission())
  readonly #doorman = new Doorman(this.#tenants)
  readonly #limits = new MessageLimits(this.env, this.#tenants)
  readonly #heartbeat = new Heartbeat(this.ctx.storage, this.#sockets)
  readonly #desk = new Desk({
    env: this.env,
    sockets: this.#sockets,
    streams: this.#streams,
    limits: this.#limits,
    clock: this.#clock,
  })
  /** Commands that came before the connect was answered, by session. */
  readonly #early = new Map<Session, Command[]>()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#streams.restore(this.#sockets.restore())
  }

  /** Takes over the WebSocket that the edge has already found to be one. */
  override async fetch(request: Request): Promise<Response> {
    const { 0: theirs, 1: ours } = new WebSocketPair()
    const now = this.#clock.now()
    this.#sockets.accept(ours, now)
    await this.#heartbeat.keep(now)
    const offered = request.headers.get('sec-websocket-protocol')?.split(',')[0]?.trim()
    const headers = offered === undefined ? {} : { 'sec-websocket-protocol': offered }
    return new Response(null, { status: 101, webSocket: theirs, headers })
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const session = this.#sockets.sessionOf(socket)
    if (session === undefined) return
    if (typeof message !== 'string') return this.#end(session, 'badRequest', 'binary frame on a JSON connection')

    const frame = parseFrame(message)
    if (frame.kind === 'malformed') return this.#end(session, 'badRequest', frame.why)
    for (const command of frame.commands) this.#obey(session, command)
  }

  override webSocketClose(socket: WebSocket): void {
    this.#sockets.forget(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#sockets.forget(socket)
  }

  override async alarm(): Promise<void> {
    await this.#heartbeat.beat(this.#clock.now(), (session, name) => this.#end(session, name, 'heartbeat'))
  }

  /** News of a stream for whoever listens here; false when nobody does. */
  publish(update: ChannelUpdate): boolean {
    return this.#streams.publish(update)
  }

  /** Who listens to a channel here. */
  roster(tenant: string, channel: string): ClientInfo[] {
    return this.#streams.hub.roster(tenant, channel)
  }

  /** Figures for /metrics; `since` is when this instance woke, in milliseconds since the epoch. */
  stats(): GatewayStats {
    const { hub, calls, errands } = this.#streams
    return { sockets: this.#sockets.count, channels: [...hub.channels()].length, calls, errands, since: this.#since }
  }

  /** What this gateway decided about messages, and whom it refused most. */
  limitFigures(): ReturnType<MessageLimits['stats']> {
    return this.#limits.stats()
  }

  #obey(session: Session, command: Command): void {
    if (session.phase === 'closed' || command.kind === 'pong') return
    if (session.phase === 'connecting') return this.#wait(session, command)
    if (command.kind === 'connect') return this.#connect(session, command)
    if (session.phase === 'new') return this.#end(session, 'badRequest', 'the first command must be connect')
    if (command.kind === 'refresh') return this.#refresh(session, command)
    this.#desk.handle(session, command)
  }

  #wait(session: Session, command: Command): void {
    const early = this.#early.get(session)
    if (early === undefined || early.length < sizes.commandsPerFrame) early?.push(command)
    else this.#end(session, 'badRequest', 'too many commands before the connect was answered')
  }

  #connect(session: Session, command: Of<'connect'>): void {
    if (session.phase !== 'new') return this.#end(session, 'badRequest', 'already connected')
    session.phase = 'connecting'
    this.#early.set(session, [])
    void this.#welcome(session, command)
  }

  async #welcome(session: Session, command: Of<'connect'>): Promise<void> {
    const admitted = await this.#admit(command.request.token)
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return this.#end(session, admitted.close, 'token')
    if (admitted.kind === 'refused') return this.#refuseConnect(session, command.id, admitted)
    session.tenant = admitted.claims.tenant
    session.user = admitted.claims.user
    session.expiresAt = admitted.claims.expiresAt

    const channel = inboxChannel(session.user)
    const known = command.request.subs[channel]
    const since = known?.recover === true ? { since: { offset: known.offset, epoch: known.epoch } } : {}
    this.#streams.ask(session, channel, { kind: 'subscribe', joinLeave: false, ...since }, (result) => {
      if (result.kind !== 'subscribed')
        return this.#refuseConnect(session, command.id, result.kind === 'refused' ? result : refuse('internal'))
      session.phase = session.phase === 'closed' ? 'closed' : 'open'
      this.#sockets.changed(session)
      this.#sockets.write(
        session,
        encodeReply(command.id, 'connect', encodeConnected(session, result, admitted.limits, this.#clock.now())),
      )
      this.#catchUp(session)
    })
  }

  async #admit(token: string): Promise<Admitted> {
    try {
      return await this.#doorman.admit(token, this.#clock.now())
    } catch (thrown) {
      log.error('gateway.admit-failed', { why: reasonOf(thrown) })
      return refuse('internal', 'the tenant could not be reached')
    }
  }

  /** After an error to connect the connection is of no more use; the SDK opens another. */
  #refuseConnect(session: Session, id: number, refusal: Refusal): void {
    this.#early.delete(session)
    session.phase = 'new'
    session.tenant = ''
    this.#sockets.write(session, encodeRefusal(id, refusal))
  }

  #catchUp(session: Session): void {
    const early = this.#early.get(session) ?? []
    this.#early.delete(session)
    for (const command of early) this.#obey(session, command)
  }

  #refresh(session: Session, { id, request }: Of<'refresh'>): void {
    if (request.token === '') return this.#end(session, 'badRequest', 'refresh without a token')
    void this.#admit(request.token).then((admitted) => {
      if (session.phase === 'closed') return
      if (admitted.kind === 'turnedAway') return this.#end(session, admitted.close, 'token')
      if (admitted.kind === 'refused') {
        if (admitted.error === 'tokenExpired') return this.#end(session, 'expired', 'token')
        return this.#sockets.write(session, encodeRefusal(id, admitted))
      }
      const { tenant, user, expiresAt } = admitted.claims
      if (tenant !== session.tenant || user !== session.user) return this.#end(session, 'invalidToken', 'another user')
      session.expiresAt = expiresAt
      this.#sockets.changed(session)
      const ttl = Math.max(1, Math.floor((expiresAt - this.#clock.now()) / 1000))
      this.#sockets.write(
        session,
        encodeReply(id, 'refresh', JSON.stringify({ client: session.client, expires: true, ttl })),
      )
    })
  }

  #end(session: Session, name: CloseName, why: string): void {
    if (name === 'internal' || name === 'badRequest')
      log.warn('gateway.closed', { code: closes[name].code, why: why.slice(0, 200) })
    this.#sockets.close(session, name)
  }

  #gone(session: Session): void {
    this.#early.delete(session)
    for (const channel of session.subscriptions.keys()) this.#streams.leave(session, channel)
  }
}

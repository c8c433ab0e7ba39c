import { DurableObject } from 'cloudflare:workers'
import type { ServerSubscription } from '../src/auth/token.ts'
import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import { networkOf } from '../src/kernel/address.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { countByName } from '../src/kernel/count.ts'
import { log } from '../src/kernel/log.ts'
import { ConnectionLimits } from '../src/limits/connection-limits.ts'
import type { Priority } from '../src/limits/shedding.ts'
import { closes, type CloseName } from '../src/protocol/close-codes.ts'
import type { Command } from '../src/protocol/commands.ts'
import type { Refusal } from '../src/protocol/errors.ts'
import { readFrame } from '../src/protocol/frames.ts'
import { foreignOrigin } from '../src/protocol/origins.ts'
import type { ClientInfo } from '../src/protocol/replies.ts'
import type { ChannelUpdate, StreamPosition } from '../src/protocol/stream.ts'
import { closeGraceMs, openConnections } from '../src/realtime/open-connections.ts'
import { connectionHeader } from '../src/protocol/connection-header.ts'
import { Census } from '../src/realtime/census.ts'
import type { Session } from '../src/realtime/session.ts'
import { Doorman } from './parts/doorman.ts'
import { Entrance } from './parts/entrance.ts'
import { Heartbeat } from './parts/heartbeat.ts'
import { Desk } from './parts/desk.ts'
import { Emulation, type Heard } from './parts/emulation.ts'
import { Grants } from './parts/grants.ts'
import { KnownNamespaces } from './parts/known-namespaces.ts'
import { MessageLimits } from './parts/message-limits.ts'
import { ServerSubscriptions } from './parts/server-subscriptions.ts'
import { Remote, type Ending, type Refreshment, type Standing, type Whom } from './parts/remote.ts'
import { Sockets } from './parts/sockets.ts'
import { streamKindOf } from './parts/stream-sink.ts'
import { Streams } from './parts/streams.ts'
import { Subscriptions } from './parts/subscriptions.ts'
import { askedOf } from './parts/wires.ts'
import type { TenantRecord } from '../src/tenants/record.ts'
import { TenantSlots } from './parts/tenant-slots.ts'
import { openTenants } from './parts/tenants.ts'
import { inboxOf } from './address.ts'

/** Figures of one gateway instance; they begin anew when it wakes. */
export interface GatewayStats {
  readonly sockets: number
  readonly channels: number
  readonly calls: number
  readonly errands: number
  /** What was dropped because there was too much to do. */
  readonly shed: Readonly<Record<Priority, number>>
  readonly since: number
}

/** Holds the sockets of one region's users: lets them in, merges what they say, and tells each what it listens to, in order. */
export class Gateway extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #config = loadConfig(this.env)
  readonly #since = this.#clock.now()
  readonly #census = new Census()
  readonly #sockets = new Sockets(
    this.ctx,
    { heard: (session, message) => this.#hear(session, textOrBytes(message)), gone: (session) => this.#gone(session) },
    this.#config.hibernation,
  )
  readonly #tenants = openTenants(this.env)
  readonly #namespaces = new KnownNamespaces(this.#tenants, this.#config)
  readonly #streams = new Streams({
    env: this.env,
    gateway: this.ctx.id.name ?? '',
    sockets: this.#sockets,
    census: this.#census,
    rules: (tenant, channel) => this.#namespaces.rules(tenant, channel),
    rulesChanged: (tenant) => this.#tenants.forget(tenant),
    wrote: (tenant, channel, user) => this.#connections.notTyped({ tenant, user }, channel),
  })
  readonly #limits = new MessageLimits(this.env, this.#tenants)
  readonly #connections = new ConnectionLimits()
  readonly #slots = new TenantSlots({
    env: this.env,
    gateway: this.ctx.id.name ?? '',
    tenants: this.#tenants,
    kv: this.ctx.storage.kv,
    clock: this.#clock,
  })
  readonly #heartbeat = new Heartbeat(this.ctx.storage, this.#sockets)
  readonly #grants = new Grants(this.#namespaces, this.#clock, this.#config)
  readonly #subscriptions = new Subscriptions({
    sockets: this.#sockets,
    streams: this.#streams,
    grants: this.#grants,
    namespaces: this.#namespaces,
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
    end: (session, name, why) => this.#end(session, name, why),
  })
  readonly #orders = new ServerSubscriptions({
    sockets: this.#sockets,
    streams: this.#streams,
    grants: this.#grants,
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
  })
  readonly #desk = new Desk({
    env: this.env,
    sockets: this.#sockets,
    streams: this.#streams,
    namespaces: this.#namespaces,
    subscriptions: this.#subscriptions,
    limits: this.#limits,
    connections: this.#connections,
    tenants: this.#tenants,
    clock: this.#clock,
  })
  readonly #entrance = new Entrance({
    sockets: this.#sockets,
    streams: this.#streams,
    doorman: new Doorman(this.#tenants, this.#config),
    orders: this.#orders,
    census: this.#census,
    slots: this.#slots,
    revokedAt: ({ tenant, user }) => inboxOf(this.env, tenant, user).revokedAt(),
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
    end: (session, name, why) => this.#end(session, name, why),
    obey: (session, command) => this.#obey(session, command),
  })
  readonly #remote = new Remote({
    sockets: this.#sockets,
    census: this.#census,
    orders: this.#orders,
    channels: () => this.#streams.hub.channels(),
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
  })
  readonly #emulation = new Emulation(this.ctx.id.name ?? '', this.#sockets)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const sessions = this.#sockets.restore()
    for (const session of sessions) this.#census.restore(session)
    openConnections.keepOnly(this.ctx.id.name ?? '', new Set(sessions.map(({ connection = '' }) => connection)))
    this.#slots.restore(sessions)
    this.#streams.restore(sessions)
  }

  /** Takes over a WebSocket, or opens a stream for what a client posted first; the edge has found out which it is. */
  override async fetch(request: Request): Promise<Response> {
    const now = this.#clock.now()
    return request.headers.has('upgrade') ? await this.#openSocket(request, now) : await this.#openStream(request, now)
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const session = this.#sockets.sessionOf(socket)
    if (session !== undefined) this.#hear(session, textOrBytes(message))
  }

  override webSocketClose(socket: WebSocket, _code: number, _reason: string, wasClean: boolean): void {
    this.#sockets.forget(socket, wasClean)
  }

  override webSocketError(socket: WebSocket): void {
    this.#sockets.forget(socket)
  }

  override async alarm(): Promise<void> {
    const now = this.#clock.now()
    for (const session of this.#sockets.all()) this.#subscriptions.expire(session, now)
    const pinged = await this.#heartbeat.beat(now, (session, name) => this.#end(session, name, 'heartbeat'))
    if (!pinged) return
    this.#streams.patrol(now)
    this.#slots.renew()
  }

  /** A frame that was posted for a session without a socket, by the `session` and `node` its connect result gave. */
  hear(node: string, session: string, frame: string | Uint8Array): Heard {
    const found = this.#emulation.find(node, session)
    if (typeof found === 'string') return found
    this.#hear(found, frame)
    return 'heard'
  }

  /** News of a stream for whoever listens here; false when nobody does. */
  publish(update: ChannelUpdate): boolean {
    return this.#streams.publish(update)
  }

  /** Who listens to a channel here. */
  roster(tenant: string, channel: string): ClientInfo[] {
    return this.#streams.hub.roster(tenant, channel)
  }

  /** How many connections a user has here, also those being let in. */
  connectionsOf(tenant: string, user: string): number {
    return this.#census.of(tenant, user).length
  }

  /** A tenant was suspended, or is active again: what is believed of it goes, and with a suspension its sessions end. */
  tenantIs(tenant: string, state: TenantRecord['state']): void {
    this.#tenants.forget(tenant)
    if (state === 'active') return
    for (const session of this.#sockets.all()) if (session.tenant === tenant) this.#end(session, 'suspended', 'tenant')
  }

  /** What the tenant's server orders for its users' connections; see parts/remote.ts. */
  disconnectUser(whom: Whom, ending: Ending | undefined, whitelist: readonly string[]): void {
    this.#remote.disconnect(whom, ending, whitelist)
  }

  async subscribeUser(whom: Whom, order: ServerSubscription, since?: StreamPosition): Promise<Refusal | undefined> {
    return await this.#remote.subscribe(whom, order, since)
  }

  unsubscribeUser(whom: Whom, channel: string): void {
    this.#remote.unsubscribe(whom, channel)
  }

  refreshUser(whom: Whom, refreshment: Refreshment): void {
    this.#remote.refresh(whom, refreshment)
  }

  /** One tenant's share of this gateway; `since` is when this instance woke, in milliseconds since the epoch. */
  standingOf(tenant: string): Standing & { readonly since: number } {
    return { ...this.#remote.standingOf(tenant), since: this.#since }
  }

  /** Figures for /metrics; `since` is when this instance woke, in milliseconds since the epoch. */
  stats(): GatewayStats {
    const { hub, calls, errands, overload } = this.#streams
    const [sockets, channels] = [this.#sockets.count, [...hub.channels()].length]
    return { sockets, channels, calls, errands, shed: overload.figures, since: this.#since }
  }

  /** Everything that /metrics tells of this gateway, in one call. */
  figures(): { readonly stats: GatewayStats; readonly policies: ReturnType<MessageLimits['stats']>['policies'] } {
    return { stats: this.stats(), policies: this.#limits.stats().policies }
  }

  /** Connections by tenant. */
  connections(): Record<string, number> {
    const tenants = [...this.#sockets.all()].flatMap(({ tenant }) => (tenant === '' ? [] : [tenant]))
    return countByName(tenants)
  }

  /** What this gateway decided about messages, and whom it refused most. */
  limitFigures(): ReturnType<MessageLimits['stats']> {
    return this.#limits.stats()
  }

  async #openSocket(request: Request, now: number): Promise<Response> {
    const { 0: theirs, 1: ours } = new WebSocketPair()
    const { wire, subprotocol } = askedOf(request)
    await this.#arrived(this.#sockets.accept(ours, now, wire), request, now)
    const headers = subprotocol === undefined ? {} : { 'sec-websocket-protocol': subprotocol }
    return new Response(null, { status: 101, webSocket: theirs, headers })
  }

  async #openStream(request: Request, now: number): Promise<Response> {
    const kind = streamKindOf(request)
    const first = kind === 'messages' ? new Uint8Array(await request.arrayBuffer()) : await request.text()
    const { session, body } = this.#emulation.open(kind, now)
    await this.#arrived(session, request, now)
    this.#hear(session, first)
    return new Response(body)
  }

  async #arrived(session: Session, { headers, url }: Request, now: number): Promise<void> {
    session.connection = headers.get(connectionHeader) ?? undefined
    if (session.connection !== undefined) openConnections.held(session.connection)
    const address = headers.get('cf-connecting-ip')
    session.address = address === null ? '' : networkOf(address)
    session.origin = foreignOrigin(headers.get('origin'), [url, this.#config.publicUrl])
    const connections = this.#census.arrive(session)
    if (connections > this.#config.connectionsPerAddress)
      this.#end(this.#census.surplus(session), 'connectionLimit', 'address')
    await this.#heartbeat.watch(session, now)
  }

  #hear(session: Session, message: string | Uint8Array): void {
    this.#sockets.heard(session, this.#clock.now())
    const frame = readFrame(session.wire.format, message)
    if (frame.kind === 'malformed') return this.#end(session, 'badRequest', frame.why)
    session.frames++
    if (session.phase === 'connecting') this.#entrance.waits(session, message.length)
    for (const command of frame.commands) this.#obey(session, command)
  }

  #obey(session: Session, command: Command): void {
    if (session.phase === 'closed') return
    if (command.kind === 'pong') return this.#sockets.answered(session, command.count, this.#clock.now())
    if (session.phase === 'connecting') return this.#entrance.wait(session, command)
    if (command.kind === 'connect') return this.#entrance.connect(session, command)
    if (session.phase === 'new') return this.#end(session, 'badRequest', 'the first command must be connect')
    if (command.kind === 'refresh') return void this.#entrance.refresh(session, command)
    this.#desk.handle(session, command)
  }

  #end(session: Session, name: CloseName, why: string): void {
    if (name === 'internal' || name === 'badRequest')
      log.warn('gateway.closed', { code: closes[name].code, why: why.slice(0, 200) })
    this.#sockets.close(session, name)
  }

  #gone(session: Session): void {
    this.#entrance.gone(session)
    this.#census.depart(session)
    this.#slots.release(session)
    this.#connections.gone(session)
    this.#emulation.forget(session)
    const { connection } = session
    if (connection !== undefined) setTimeout(() => openConnections.end(connection), closeGraceMs)
    for (const channel of session.subscriptions.keys()) this.#streams.leave(session, channel)
  }
}

const textOrBytes = (message: string | ArrayBuffer) => (typeof message === 'string' ? message : new Uint8Array(message))

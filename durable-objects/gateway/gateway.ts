import { DurableObject } from 'cloudflare:workers'
import type { ServerSubscription } from '../../src/auth/token.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { networkOf } from '../../src/kernel/ip-address.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { countByName } from '../../src/kernel/count.ts'
import { log } from '../../src/kernel/log.ts'
import { ConnectionLimits } from '../../src/limits/connection-limits.ts'
import type { Priority } from '../../src/limits/shedding.ts'
import { closes, type CloseName } from '../../src/protocol/close-codes.ts'
import type { Command } from '../../src/protocol/commands.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import { readFrame } from '../../src/protocol/frames.ts'
import { foreignOrigin } from '../../src/protocol/origins.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { ChannelUpdate, StreamPosition } from '../../src/protocol/stream.ts'
import { closeGraceMs, openConnections } from '../../src/realtime/open-connections.ts'
import { connectionHeader } from '../../src/protocol/connection-header.ts'
import { ConnectionRegistry } from '../../src/realtime/connection-registry.ts'
import type { Session } from '../../src/realtime/session.ts'
import { ConnectionAuthenticator } from './connect/connection-authenticator.ts'
import { ConnectHandler } from './connect/connect-handler.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { CommandRouter } from './commands/command-router.ts'
import { Emulation, type ReceiveResult } from './transport/emulation.ts'
import { SubscriptionGrants } from './channels/subscription-grants.ts'
import { NameDirectory } from './channels/name-directory.ts'
import { NamespaceCache } from './channels/namespace-cache.ts'
import { MessageLimits } from './commands/message-limits.ts'
import { ServerSubscriptions } from './channels/server-subscriptions.ts'
import {
  ServerCommands,
  type DisconnectReason,
  type Refreshment,
  type TenantGatewayStats,
  type ConnectionTarget,
} from './commands/server-commands.ts'
import { Sockets } from './transport/sockets.ts'
import { streamKindOf } from './transport/stream-transport.ts'
import { ChannelClient } from './channels/channel-client.ts'
import { Subscriptions } from './channels/subscriptions.ts'
import { negotiate } from './transport/connection-format.ts'
import type { TenantRecord } from '../../src/tenants/record.ts'
import { TenantConnectionLimiter } from './connect/tenant-connection-limiter.ts'
import { openTenants } from './connect/open-tenant-cache.ts'
import { inboxOf } from '../address.ts'

/** Figures of one gateway instance; they begin anew when it wakes. */
export interface GatewayStats {
  readonly sockets: number
  readonly channels: number
  readonly calls: number
  readonly commands: number
  /** What was dropped because there was too much to do. */
  readonly shed: Readonly<Record<Priority, number>>
  readonly since: number
}

/** Holds the sockets of one region's users: lets them in, merges what they say, and tells each what it listens to, in order. */
export class Gateway extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #config = loadConfig(this.env)
  readonly #since = this.#clock.now()
  readonly #registry = new ConnectionRegistry()
  readonly #sockets = new Sockets(
    this.ctx,
    {
      received: (session, message) => this.#receive(session, textOrBytes(message)),
      closed: (session) => this.#closed(session),
    },
    this.#config.hibernation,
  )
  readonly #tenants = openTenants(this.env)
  readonly #namespaces = new NamespaceCache(this.#tenants, this.#config)
  readonly #names = new NameDirectory(this.env, this.#tenants, this.#clock)
  readonly #channels = new ChannelClient({
    env: this.env,
    gateway: this.ctx.id.name ?? '',
    sockets: this.#sockets,
    registry: this.#registry,
    names: this.#names,
    rules: (tenant, channel) => this.#namespaces.rules(tenant, channel),
    rulesChanged: (tenant) => this.#tenants.forget(tenant),
    wrote: (tenant, channel, user) => this.#connections.notTyped({ tenant, user }, channel),
  })
  readonly #limits = new MessageLimits(this.env, this.#tenants, this.#names)
  readonly #connections = new ConnectionLimits()
  readonly #tenantConnections = new TenantConnectionLimiter({
    env: this.env,
    gateway: this.ctx.id.name ?? '',
    tenants: this.#tenants,
    kv: this.ctx.storage.kv,
    clock: this.#clock,
  })
  readonly #heartbeat = new Heartbeat(this.ctx.storage, this.#sockets)
  readonly #grants = new SubscriptionGrants(this.#namespaces, this.#clock, this.#config)
  readonly #subscriptions = new Subscriptions({
    sockets: this.#sockets,
    channels: this.#channels,
    grants: this.#grants,
    namespaces: this.#namespaces,
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
    close: (session, name, why) => this.#close(session, name, why),
  })
  readonly #serverSubscriptions = new ServerSubscriptions({
    sockets: this.#sockets,
    channels: this.#channels,
    grants: this.#grants,
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
  })
  readonly #router = new CommandRouter({
    env: this.env,
    sockets: this.#sockets,
    channels: this.#channels,
    namespaces: this.#namespaces,
    subscriptions: this.#subscriptions,
    limits: this.#limits,
    names: this.#names,
    connections: this.#connections,
    tenants: this.#tenants,
    clock: this.#clock,
  })
  readonly #connectHandler = new ConnectHandler({
    sockets: this.#sockets,
    channels: this.#channels,
    authenticator: new ConnectionAuthenticator(this.#tenants, this.#config),
    serverSubscriptions: this.#serverSubscriptions,
    registry: this.#registry,
    limiter: this.#tenantConnections,
    revokedAt: ({ tenant, user }) => inboxOf(this.env, tenant, user).revokedAt(),
    clock: this.#clock,
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
    close: (session, name, why) => this.#close(session, name, why),
    handle: (session, command) => this.#handle(session, command),
  })
  readonly #serverCommands = new ServerCommands({
    sockets: this.#sockets,
    registry: this.#registry,
    serverSubscriptions: this.#serverSubscriptions,
    channels: () => this.#channels.hub.channels(),
    watch: (session) => void this.#heartbeat.watch(session, this.#clock.now()),
  })
  readonly #emulation = new Emulation(this.ctx.id.name ?? '', this.#sockets)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const sessions = this.#sockets.restore()
    for (const session of sessions) this.#registry.restore(session)
    openConnections.keepOnly(this.ctx.id.name ?? '', new Set(sessions.map(({ connection = '' }) => connection)))
    this.#tenantConnections.restore(sessions)
    this.#channels.restore(sessions)
  }

  /** Takes over a WebSocket, or opens a stream for what a client posted first; the edge has found out which it is. */
  override async fetch(request: Request): Promise<Response> {
    const now = this.#clock.now()
    return request.headers.has('upgrade') ? await this.#openSocket(request, now) : await this.#openStream(request, now)
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const session = this.#sockets.sessionOf(socket)
    if (session !== undefined) this.#receive(session, textOrBytes(message))
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
    const pinged = await this.#heartbeat.beat(now, (session, name) => this.#close(session, name, 'heartbeat'))
    if (!pinged) return
    this.#channels.checkPositions(now)
    this.#tenantConnections.renew()
  }

  /** A frame that was posted for a session without a socket, by the `session` and `node` its connect result gave. */
  receive(node: string, session: string, frame: string | Uint8Array): ReceiveResult {
    const found = this.#emulation.find(node, session)
    if (typeof found === 'string') return found
    this.#receive(found, frame)
    return 'heard'
  }

  /** News of a stream for whoever listens here; false when nobody does. */
  publish(update: ChannelUpdate): boolean {
    return this.#channels.publish(update)
  }

  /** Who listens to a channel here. */
  presence(tenant: string, channel: string): ClientInfo[] {
    return this.#channels.hub.presence(tenant, channel)
  }

  /** How many connections a user has here, also those being let in. */
  connectionsOf(tenant: string, user: string): number {
    return this.#registry.connectionsOf(tenant, user).length
  }

  /** A tenant was suspended, or is active again: what is believed of it goes, and with a suspension its sessions end. */
  tenantStateChanged(tenant: string, state: TenantRecord['state']): void {
    this.#tenants.forget(tenant)
    if (state === 'active') return
    for (const session of this.#sockets.all())
      if (session.tenant === tenant) this.#close(session, 'suspended', 'tenant')
  }

  /** What the tenant's server orders for its users' connections; see parts/remote.ts. */
  disconnectUser(whom: ConnectionTarget, ending: DisconnectReason | undefined, whitelist: readonly string[]): void {
    this.#serverCommands.disconnect(whom, ending, whitelist)
  }

  async subscribeUser(
    whom: ConnectionTarget,
    order: ServerSubscription,
    since?: StreamPosition,
  ): Promise<Refusal | undefined> {
    return await this.#serverCommands.subscribe(whom, order, since)
  }

  unsubscribeUser(whom: ConnectionTarget, channel: string): void {
    this.#serverCommands.unsubscribe(whom, channel)
  }

  refreshUser(whom: ConnectionTarget, refreshment: Refreshment): void {
    this.#serverCommands.refresh(whom, refreshment)
  }

  /** One tenant's share of this gateway; `since` is when this instance woke, in milliseconds since the epoch. */
  tenantStats(tenant: string): TenantGatewayStats & { readonly since: number } {
    return { ...this.#serverCommands.tenantStats(tenant), since: this.#since }
  }

  /** Figures for /metrics; `since` is when this instance woke, in milliseconds since the epoch. */
  stats(): GatewayStats {
    const { hub, calls, commands, overload } = this.#channels
    const [sockets, channels] = [this.#sockets.count, [...hub.channels()].length]
    return { sockets, channels, calls, commands: commands, shed: overload.figures, since: this.#since }
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
  limitMetrics(): ReturnType<MessageLimits['stats']> {
    return this.#limits.stats()
  }

  async #openSocket(request: Request, now: number): Promise<Response> {
    const { 0: theirs, 1: ours } = new WebSocketPair()
    const { wire, subprotocol } = negotiate(request)
    await this.#opened(this.#sockets.accept(ours, now, wire), request, now)
    const headers = subprotocol === undefined ? {} : { 'sec-websocket-protocol': subprotocol }
    return new Response(null, { status: 101, webSocket: theirs, headers })
  }

  async #openStream(request: Request, now: number): Promise<Response> {
    const kind = streamKindOf(request)
    const first = kind === 'messages' ? new Uint8Array(await request.arrayBuffer()) : await request.text()
    const { session, body } = this.#emulation.open(kind, now)
    await this.#opened(session, request, now)
    this.#receive(session, first)
    return new Response(body)
  }

  async #opened(session: Session, { headers, url }: Request, now: number): Promise<void> {
    session.connection = headers.get(connectionHeader) ?? undefined
    if (session.connection !== undefined) openConnections.held(session.connection)
    const address = headers.get('cf-connecting-ip')
    session.address = address === null ? '' : networkOf(address)
    session.origin = foreignOrigin(headers.get('origin'), [url, this.#config.publicUrl])
    const connections = this.#registry.opened(session)
    if (connections > this.#config.connectionsPerAddress)
      this.#close(this.#registry.surplus(session), 'connectionLimit', 'address')
    await this.#heartbeat.watch(session, now)
  }

  #receive(session: Session, message: string | Uint8Array): void {
    this.#sockets.noteReceived(session, this.#clock.now())
    const frame = readFrame(session.wire.format, message)
    if (frame.kind === 'malformed') return this.#close(session, 'badRequest', frame.why)
    session.frames++
    if (session.phase === 'connecting') this.#connectHandler.waits(session, message.length)
    for (const command of frame.commands) this.#handle(session, command)
  }

  #handle(session: Session, command: Command): void {
    if (session.phase === 'closed') return
    if (command.kind === 'pong') return this.#sockets.answered(session, command.count, this.#clock.now())
    if (session.phase === 'connecting') return this.#connectHandler.defer(session, command)
    if (command.kind === 'connect') return this.#connectHandler.connect(session, command)
    if (session.phase === 'new') return this.#close(session, 'badRequest', 'the first command must be connect')
    if (command.kind === 'refresh') return void this.#connectHandler.refresh(session, command)
    this.#router.handle(session, command)
  }

  #close(session: Session, name: CloseName, why: string): void {
    if (name === 'internal' || name === 'badRequest')
      log.warn('gateway.closed', { code: closes[name].code, why: why.slice(0, 200) })
    this.#sockets.close(session, name)
  }

  #closed(session: Session): void {
    this.#connectHandler.closed(session)
    this.#registry.closed(session)
    this.#tenantConnections.release(session)
    this.#connections.gone(session)
    this.#emulation.forget(session)
    const { connection } = session
    if (connection !== undefined) setTimeout(() => openConnections.end(connection), closeGraceMs)
    for (const channel of session.subscriptions.keys()) this.#channels.leave(session, channel)
  }
}

const textOrBytes = (message: string | ArrayBuffer) => (typeof message === 'string' ? message : new Uint8Array(message))

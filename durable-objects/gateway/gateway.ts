import { DurableObject } from 'cloudflare:workers'
import type { ServerSubscription } from '../../src/auth/claims.ts'
import type { Env } from '../../src/env.ts'
import type { ConversationActivity, ActivityAnswer } from '../../src/events/activity.ts'
import { countByName } from '../../src/kernel/count.ts'
import { networkOf } from '../../src/kernel/ip-address.ts'
import type { Command } from '../../src/protocol/commands.ts'
import { connectionHeader } from '../../src/protocol/connection-header.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import { frameReaders } from '../../src/protocol/frames.ts'
import { foreignOrigin } from '../../src/protocol/origins.ts'
import type { ChannelUpdate, StreamPosition } from '../../src/protocol/stream.ts'
import type { PresenceReport } from '../../src/realtime/presence-table.ts'
import { closeGraceMs, openConnections } from '../../src/realtime/open-connections.ts'
import type { Session } from '../../src/realtime/session.ts'
import { noteErased } from '../../src/tenants/erased.ts'
import type { TenantState } from '../../src/tenants/record.ts'
import { GatewayActivity } from './activity/gateway-activity.ts'
import { ChannelClient } from './channels/channel-client.ts'
import { ServerSubscriptions } from './channels/server-subscriptions.ts'
import { SubscriptionGrants } from './channels/subscription-grants.ts'
import { Subscriptions } from './channels/subscriptions.ts'
import { CommandReports } from './command-reports.ts'
import { CommandRouter } from './commands/command-router.ts'
import { MessageSender } from './commands/message-sender.ts'
import { ServerCommands } from './commands/server-commands.ts'
import { ConnectHandler } from './connect/connect-handler.ts'
import { GatewayListing } from './connect/gateway-listing.ts'
import { TenantConnectionLimiter } from './connect/tenant-connection-limiter.ts'
import { GatewayContext } from './gateway-context.ts'
import { Emulation } from './transport/emulation.ts'
import { streamKindOf } from './transport/stream-transport.ts'
import { negotiate } from './transport/transport.ts'
import type {
  ConnectionTarget,
  DisconnectReason,
  GatewayRpc,
  GatewayStats,
  MessageLimitStats,
  ReceiveResult,
  Refreshment,
  TenantGatewayStats,
} from '../contracts.ts'

/** Holds the connections of one region's users: authenticates them, routes their commands, and delivers their channels in order. */
export class Gateway extends DurableObject<Env> implements GatewayRpc {
  /** Commands by tenant since the last alarm, for usage; "" is for those of connections that are not admitted yet. */
  readonly #commands = new Map<string, number>()
  readonly #commandReports = new CommandReports(this.env)
  readonly #context = new GatewayContext(this.ctx, this.env, {
    received: (session, message) => this.#receive(session, textOrBytes(message)),
    closed: (session) => this.#closed(session),
  })
  readonly #since = this.#context.clock.now()
  readonly #activity = new GatewayActivity(this.#context)
  readonly #channels = new ChannelClient(this.#context, (...updated) => this.#activity.inboxUpdated(...updated))
  readonly #messages = new MessageSender(this.#context, this.#channels.calls)
  readonly #listing = new GatewayListing(this.#context)
  readonly #tenantConnections = new TenantConnectionLimiter(this.#context, this.ctx.storage.kv)
  readonly #grants = new SubscriptionGrants(this.#context)
  readonly #subscriptions = new Subscriptions(this.#context, this.#channels, this.#grants)
  readonly #serverSubscriptions = new ServerSubscriptions(this.#context, this.#channels, this.#grants)
  readonly #router = new CommandRouter(this.#context, this.#channels, this.#subscriptions, this.#messages)
  readonly #connectHandler = new ConnectHandler(this.#context, {
    channels: this.#channels,
    activity: this.#activity,
    serverSubscriptions: this.#serverSubscriptions,
    limiter: this.#tenantConnections,
    handle: (session, command) => this.#handle(session, command),
  })
  readonly #serverCommands = new ServerCommands(this.#context, this.#serverSubscriptions, this.#channels)
  readonly #emulation = new Emulation(this.#context.name, this.#context.sockets)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { name, sockets, registry } = this.#context
    const sessions = sockets.restore()
    for (const session of sessions) registry.restore(session)
    openConnections.keepOnly(name, new Set(sessions.map(({ connection = '' }) => connection)))
    this.#tenantConnections.restore(sessions)
    this.#channels.restore(sessions)
    this.#activity.restore(sessions)
  }

  /** Takes over a WebSocket, or opens a stream for the first commands a client posted; the edge has told them apart. */
  override async fetch(request: Request): Promise<Response> {
    const now = this.#context.clock.now()
    return request.headers.has('upgrade') ? await this.#openSocket(request, now) : await this.#openStream(request, now)
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const session = this.#context.sockets.byWebSocket.get(socket)
    if (session !== undefined) this.#receive(session, textOrBytes(message))
  }

  override webSocketClose(socket: WebSocket, _code: number, _reason: string, wasClean: boolean): void {
    this.#context.sockets.forget(socket, wasClean)
  }

  override webSocketError(socket: WebSocket): void {
    this.#context.sockets.forget(socket)
  }

  override async alarm(): Promise<void> {
    const { clock, sockets, heartbeat } = this.#context
    const now = clock.now()
    for (const session of sockets.all()) this.#subscriptions.expire(session, now)
    const pinged = await heartbeat.beat(now, (session, name) => this.#context.close(session, name, 'heartbeat'))
    this.#commandReports.report(this.#commands, now)
    if (!pinged) return
    void this.#listing.note()
    this.#channels.checkPositions(now)
    this.#tenantConnections.renew()
    this.#activity.tidy()
  }

  /** A frame that was posted for a stream connection, named by the `session` and `node` of its connect result. */
  receive(node: string, session: string, frame: string | Uint8Array): ReceiveResult {
    const found = this.#emulation.find(node, session)
    if (typeof found === 'string') return found
    this.#receive(found, frame)
    return 'received'
  }

  /** Delivers an update of a stream to the subscribers here; false when there are none. */
  publish(update: ChannelUpdate): boolean {
    return this.#channels.publish(update)
  }

  /** The connections subscribed to a channel here. */
  subscribed(tenant: string, channel: string): PresenceReport {
    return this.#channels.subscribed(tenant, channel)
  }

  /** Where conversations of a tenant stand; sessions are sent their unread counts. */
  activityNews(tenant: string, updates: readonly ConversationActivity[]): ActivityAnswer {
    return this.#activity.update(tenant, updates)
  }

  /** Updates since then, in milliseconds since the epoch, were lost. False when there is no session of the tenant. */
  activityMissed(tenant: string, since: number): boolean {
    return this.#activity.updatesMissed(tenant, since)
  }

  /** The plans or the limits of all tenants changed. */
  platformChanged(): void {
    this.#context.platformChanged()
  }

  /** A tenant changed: forgets its record, and closes its connections unless it is active. */
  async tenantStateChanged(tenant: string, state: TenantState | 'erased'): Promise<void> {
    const { tenants, sockets } = this.#context
    tenants.forget(tenant)
    if (state === 'active') return await this.#messages.levels.filters.changed(tenant)
    if (state === 'erased') noteErased(tenant)
    const close = state === 'suspended' ? 'suspended' : 'tenantDeleted'
    for (const session of sockets.all()) if (session.tenant === tenant) this.#context.close(session, close, 'tenant')
  }

  /** Commands of the tenant's server for its users' connections: see ServerCommands. */
  disconnectUser(target: ConnectionTarget, reason: DisconnectReason | undefined, whitelist: readonly string[]): void {
    this.#serverCommands.disconnect(target, reason, whitelist)
  }

  async subscribeUser(
    target: ConnectionTarget,
    order: ServerSubscription,
    since?: StreamPosition,
  ): Promise<Refusal | undefined> {
    return await this.#serverCommands.subscribe(target, order, since)
  }

  unsubscribeUser(target: ConnectionTarget, channel: string): void {
    this.#serverCommands.unsubscribe(target, channel)
  }

  refreshUser(target: ConnectionTarget, refreshment: Refreshment): void {
    this.#serverCommands.refresh(target, refreshment)
  }

  /** One tenant's share of this gateway; `since` is when this instance woke, in milliseconds since the epoch. */
  tenantStats(tenant: string): TenantGatewayStats & { readonly since: number } {
    return { ...this.#serverCommands.tenantStats(tenant), since: this.#since }
  }

  /** Figures for /metrics; `since` is when this instance woke, in milliseconds since the epoch. */
  stats(): GatewayStats {
    const { calls, commands, overload } = this.#channels.calls
    const [sockets, channels] = [this.#context.sockets.count, [...this.#channels.hub.channels()].length]
    return { sockets, channels, calls, commands, shed: overload.figures, since: this.#since }
  }

  /** All figures of this gateway for /metrics, in one call. */
  figures(): { readonly stats: GatewayStats; readonly policies: MessageLimitStats['policies'] } {
    return { stats: this.stats(), policies: this.#messages.stats().policies }
  }

  /** Connections by tenant. A gateway that answers none is off the platform's list until it has connections again. */
  connections(): Record<string, number> {
    if (this.#context.sockets.count === 0) this.#listing.end()
    const tenants = [...this.#context.sockets.all()].flatMap(({ tenant }) => (tenant === '' ? [] : [tenant]))
    return countByName(tenants)
  }

  /** The decisions of this gateway's message limits, and the keys with the most refusals. */
  limitMetrics(): MessageLimitStats {
    return this.#messages.stats()
  }

  async #openSocket(request: Request, now: number): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair()
    const { wire, subprotocol } = negotiate(request)
    await this.#opened(this.#context.sockets.accept(server, now, wire), request, now)
    const headers = subprotocol === undefined ? {} : { 'sec-websocket-protocol': subprotocol }
    return new Response(null, { status: 101, webSocket: client, headers })
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
    const { config, registry, heartbeat } = this.#context
    session.connection = headers.get(connectionHeader) ?? undefined
    if (session.connection !== undefined) openConnections.held(session.connection)
    const address = headers.get('cf-connecting-ip')
    session.address = address === null ? '' : networkOf(address)
    session.origin = foreignOrigin(headers.get('origin'), [url, config.publicUrl])
    const connections = registry.opened(session)
    if (connections > config.connectionsPerAddress)
      this.#context.close(registry.surplus(session), 'connectionLimit', 'address')
    await heartbeat.watch(session, now)
  }

  #receive(session: Session, message: string | Uint8Array): void {
    if (!session.isTimedByRuntime) this.#context.sockets.noteReceived(session, this.#context.clock.now())
    const frame = frameReaders[session.wire.format](message)
    if (frame.kind === 'malformed') return this.#context.close(session, 'badRequest', frame.reason)
    session.frames++
    this.#commands.set(session.tenant, (this.#commands.get(session.tenant) ?? 0) + frame.commands.length)
    if (session.phase === 'connecting') this.#connectHandler.countDeferred(session, message.length)
    for (const command of frame.commands) this.#handle(session, command)
  }

  #handle(session: Session, command: Command): void {
    if (session.phase === 'closed') return
    if (command.kind === 'pong') return this.#context.sockets.answered(session, command.count)
    if (session.phase === 'connecting') return this.#connectHandler.defer(session, command)
    if (command.kind === 'connect') return this.#connectHandler.connect(session, command)
    if (session.phase === 'new') return this.#context.close(session, 'badRequest', 'the first command must be connect')
    if (command.kind === 'refresh') return void this.#connectHandler.refresh(session, command)
    this.#router.handle(session, command)
  }

  #closed(session: Session): void {
    this.#connectHandler.closed(session)
    this.#context.registry.closed(session)
    this.#tenantConnections.release(session)
    this.#context.connectionLimits.gone(session)
    this.#emulation.forget(session)
    this.#activity.closed(session)
    const { connection } = session
    if (connection !== undefined) setTimeout(() => openConnections.end(connection), closeGraceMs)
    for (const channel of session.subscriptions.keys()) this.#channels.leave(session, channel)
  }
}

const textOrBytes = (message: string | ArrayBuffer) => (typeof message === 'string' ? message : new Uint8Array(message))

import type { ServerSubscription } from '../../../src/auth/claims.ts'
import { closes } from '../../../src/protocol/close-codes.ts'
import type { Refusal } from '../../../src/protocol/errors.ts'
import type { StreamPosition } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { ServerSubscriptions } from '../channels/server-subscriptions.ts'
import { infoChanged } from '../channels/shown-infos.ts'
import type { ChannelClient } from '../channels/channel-client.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { ConnectionTarget, DisconnectReason, Refreshment, TenantGatewayStats } from '../../contracts.ts'

/** Runs the commands of a tenant's server on its users' connections at one gateway, and counts them. */
export class ServerCommands {
  readonly #context: GatewayContext
  readonly #subscriptions: ServerSubscriptions
  readonly #channels: ChannelClient

  constructor(context: GatewayContext, subscriptions: ServerSubscriptions, channels: ChannelClient) {
    this.#context = context
    this.#subscriptions = subscriptions
    this.#channels = channels
  }

  /** Closes connections except those of the clients in `whitelist`. SDKs reconnect or not by the code. */
  disconnect(target: ConnectionTarget, reason: DisconnectReason | undefined, whitelist: readonly string[]): void {
    for (const session of this.#sessions(target))
      if (!whitelist.includes(session.client)) this.#context.sockets.closeWith(session, reason ?? closes.forced)
  }

  /** Subscribes connections to a channel. Returns the first refusal. */
  async subscribe(
    target: ConnectionTarget,
    order: ServerSubscription,
    since?: StreamPosition,
  ): Promise<Refusal | undefined> {
    const begun = this.#sessions(target).map((session) => this.#subscriptions.begin(session, order, since))
    const answers = await Promise.all(begun)
    return answers.find((answer) => answer !== undefined)
  }

  /** Ends subscriptions to a channel; with "" all of them. The personal stream goes with its connection only. */
  unsubscribe(target: ConnectionTarget, channel: string): void {
    for (const session of this.#sessions(target)) {
      const names = channel === '' ? [...session.subscriptions.keys()] : [channel]
      for (const name of names) if (name !== `user:#${session.user}`) this.#subscriptions.end(session, name, 'server')
    }
  }

  /** Moves the end of connections to `expiresAt` (milliseconds, 0 for never), or ends them now. `info` is JSON text. */
  refresh(target: ConnectionTarget, { expired, expiresAt, info }: Refreshment): void {
    const { sockets } = this.#context
    for (const session of this.#sessions(target)) {
      if (expired) {
        sockets.close(session, 'expired')
        continue
      }
      session.expiresAt = expiresAt
      const before = session.info
      if (info !== undefined) session.info = info
      if (session.info !== before) infoChanged(this.#channels, session)
      sockets.changed(session)
      this.#context.watch(session)
    }
  }

  /** Figures of one tenant. */
  tenantStats(tenant: string): TenantGatewayStats {
    const sessions = [...this.#context.sockets.all()].filter((session) => session.tenant === tenant)
    const channels = [...this.#channels.hub.channels()].filter((state) => state.tenant === tenant)
    return {
      clients: sessions.length,
      users: new Set(sessions.map(({ user }) => user)).size,
      listeners: channels.map(({ channel, sessions: { size } }) => ({ channel, clients: size })),
    }
  }

  #sessions({ tenant, user, client, session: name }: ConnectionTarget): readonly Session[] {
    return this.#context.registry
      .connectionsOf(tenant, user)
      .filter(({ phase }) => phase === 'open')
      .filter((session) => client === undefined || session.client === client)
      .filter(({ emulation }) => name === undefined || emulation?.session === name)
  }
}

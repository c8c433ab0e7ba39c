import type { ServerSubscription } from '../../../src/auth/token.ts'
import { closes } from '../../../src/protocol/close-codes.ts'
import type { Refusal } from '../../../src/protocol/errors.ts'
import type { StreamPosition } from '../../../src/protocol/stream.ts'
import type { ConnectionRegistry } from '../../../src/realtime/connection-registry.ts'
import type { HubChannel } from '../../../src/realtime/hub.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { ServerSubscriptions } from '../channels/server-subscriptions.ts'
import type { Sockets } from '../transport/sockets.ts'

/** Whose connections are meant: all of a user's, or the one with this client id, or with this session of a connect result. */
export interface ConnectionTarget {
  readonly tenant: string
  readonly user: string
  readonly client?: string
  readonly session?: string
}

/** Why connections end, as the tenant's server says it: a close code from 3000 to 4999 and plain words. */
export interface DisconnectReason {
  readonly code: number
  readonly reason: string
}

/** What a refresh changes: when connections end, in milliseconds since the epoch, and what others see of them. */
export interface Refreshment {
  readonly expired: boolean
  readonly expiresAt: number
  readonly info?: string
}

/** One tenant's share of a gateway; `listeners` are channels and how many connections listen to each. */
export interface TenantGatewayStats {
  readonly clients: number
  readonly users: number
  readonly listeners: readonly { readonly channel: string; readonly clients: number }[]
}

/** What a remote hand works with. `watch` looks at a session's expiry anew. */
export interface ServerCommandsContext {
  readonly sockets: Sockets
  readonly registry: ConnectionRegistry
  readonly serverSubscriptions: ServerSubscriptions
  readonly channels: () => Iterable<HubChannel>
  readonly watch: (session: Session) => void
}

/** What a tenant's server does to its users' connections at one gateway, and sees of them. */
export class ServerCommands {
  readonly #context: ServerCommandsContext

  constructor(parts: ServerCommandsContext) {
    this.#context = parts
  }

  /** Ends connections, but for the clients in `whitelist`; by its code the SDK knows whether to come back. */
  disconnect(whom: ConnectionTarget, ending: DisconnectReason | undefined, whitelist: readonly string[]): void {
    for (const session of this.#sessions(whom))
      if (!whitelist.includes(session.client)) this.#context.sockets.closeWith(session, ending ?? closes.forced)
  }

  /** Makes connections listen to a channel. A refusal when it will not have them. */
  async subscribe(
    whom: ConnectionTarget,
    order: ServerSubscription,
    since?: StreamPosition,
  ): Promise<Refusal | undefined> {
    const begun = this.#sessions(whom).map((session) => this.#context.serverSubscriptions.begin(session, order, since))
    const answers = await Promise.all(begun)
    return answers.find((answer) => answer !== undefined)
  }

  /** Ends subscriptions to a channel; with "" all of them. The personal stream goes with its connection only. */
  unsubscribe(whom: ConnectionTarget, channel: string): void {
    for (const session of this.#sessions(whom)) {
      const names = channel === '' ? [...session.subscriptions.keys()] : [channel]
      for (const name of names)
        if (name !== `user:#${session.user}`) this.#context.serverSubscriptions.end(session, name, 'server')
    }
  }

  /** Moves the end of connections to `expiresAt` (milliseconds, 0 for never), or ends them now. `info` is JSON text. */
  refresh(whom: ConnectionTarget, { expired, expiresAt, info }: Refreshment): void {
    const { sockets, watch } = this.#context
    for (const session of this.#sessions(whom)) {
      if (expired) {
        sockets.close(session, 'expired')
        continue
      }
      session.expiresAt = expiresAt
      if (info !== undefined) session.info = info
      sockets.changed(session)
      watch(session)
    }
  }

  tenantStats(tenant: string): TenantGatewayStats {
    const sessions = [...this.#context.sockets.all()].filter((session) => session.tenant === tenant)
    const channels = [...this.#context.channels()].filter((state) => state.tenant === tenant)
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

import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { whenReady, type Ready } from '../../src/kernel/ready.ts'
import { within } from '../../src/kernel/retry.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { StreamCall, StreamCommand, StreamResult } from '../../src/protocol/stream.ts'
import {
  PresenceTable,
  type GatewayPresence,
  type Presence,
  type PresenceForm,
} from '../../src/realtime/presence-table.ts'
import { gatewayNamed } from '../address.ts'

/** How long a gateway may take to report its connections, in milliseconds. */
const timeoutMs = 2000

/**
 * The subscribed connections of one stream, held in memory. Gateways are asked for theirs only after a restart of the actor,
 * when they name another number of connections than are known, or when they were silent for long.
 */
export class SubscriberPresence {
  readonly #env: Env
  readonly #at: { readonly tenant: string; readonly channel: string }
  readonly #table = new PresenceTable()
  readonly #gateways = new Map<string, GatewayPresence>()
  /** The questions that are under way. */
  readonly #asking = new Map<GatewayPresence, Promise<void>>()

  constructor(env: Env, at: { readonly tenant: string; readonly channel: string }) {
    this.#env = env
    this.#at = at
  }

  /** A gateway with subscribers; `isEmpty` when it had none until now. */
  open(gateway: string, isEmpty: boolean): GatewayPresence {
    const presence = this.#table.open(isEmpty, systemClock.now())
    this.#gateways.set(gateway, presence)
    return presence
  }

  close(gateway: string, presence: GatewayPresence): void {
    this.#gateways.delete(gateway)
    this.#table.close(presence)
  }

  /** Notes the subscriptions that a gateway's call began, changed and ended. */
  note({ gateway, have, commands, subscribed }: StreamCall, results: readonly StreamResult[]): void {
    const presence = this.#gateways.get(gateway ?? '')
    if (presence === undefined) return
    if (have === null) this.#table.clear(presence)
    let joined = 0
    commands.forEach((command, index) => {
      if (results[index]?.kind === 'subscribed') joined++
      if (results[index]?.kind === 'subscribed' || command.kind === 'infos') this.#put(presence, command)
      else if (command.kind === 'leave') this.#table.leave(presence, command.client)
    })
    presence.answeredAt = systemClock.now()
    if (subscribed !== undefined && presence.clients.size !== subscribed + joined) presence.isKnown = false
  }

  /** The subscribed connections, or how many there are. */
  read(form: PresenceForm): Ready<Presence> {
    return whenReady(this.#askStale(), () => {
      if (form === 'figures') return this.#table.read(form)
      this.#table.wantInfos()
      return whenReady(this.#askStale(), () => this.#table.read(form))
    })
  }

  /** Those of these users that have no other connection than the one named. */
  withoutOthers(infos: readonly ClientInfo[]): Ready<readonly ClientInfo[]> {
    return whenReady(this.#askStale(), () => infos.filter(({ user, client }) => !this.#table.hasOther(user, client)))
  }

  /** Whether the user has a connection, as far as it is known; no gateway is asked. */
  has(user: string): boolean {
    return this.#table.hasOther(user, '')
  }

  /** Connections at other gateways than this one, as far as they are known; `know` makes them known. */
  connectionsBeyond(gateway: string | null): number {
    let connections = 0
    for (const [name, { clients }] of this.#gateways) if (name !== gateway) connections += clients.size
    return connections
  }

  /** Asks the gateways whose connections are not known; with `isAgain` all others than this one, too. */
  know(gateway: string | null, isAgain: boolean): Ready<void> {
    if (isAgain) for (const [name, presence] of this.#gateways) if (name !== gateway) presence.isKnown = false
    return this.#askStale(gateway)
  }

  #put(presence: GatewayPresence, command: StreamCommand): void {
    const { user, client } = command
    if (command.kind === 'infos' && !presence.clients.has(client)) return
    const { infos = {}, hidden = false } = command.kind === 'infos' || command.kind === 'subscribe' ? command : {}
    const since = systemClock.now()
    this.#table.join(presence, { user, client, ...infos, since, ...(hidden ? { hidden } : {}) })
  }

  #askStale(except: string | null = null): Ready<void> {
    const now = systemClock.now()
    const stale = [...this.#gateways].filter(
      ([gateway, presence]) => gateway !== except && this.#table.isStale(presence, now),
    )
    if (stale.length === 0) return undefined
    return Promise.all(stale.map(([gateway, presence]) => this.#ask(gateway, presence))).then(() => undefined)
  }

  #ask(gateway: string, presence: GatewayPresence): Promise<void> {
    const underWay = this.#asking.get(presence)
    if (underWay !== undefined) return underWay
    const asked = this.#askNow(gateway, presence).finally(() => this.#asking.delete(presence))
    this.#asking.set(presence, asked)
    return asked
  }

  /** A gateway that does not answer counts as empty. */
  async #askNow(gateway: string, presence: GatewayPresence): Promise<void> {
    const isListed = () => this.#gateways.get(gateway) === presence
    presence.changed = new Map()
    try {
      const asked = gatewayNamed(this.#env, gateway).subscribed(this.#at.tenant, this.#at.channel)
      const report = await within(timeoutMs, 'the gateway', asked)
      if (isListed()) this.#table.learn(presence, report, systemClock.now())
    } catch (thrown) {
      log.warn('subscribers.presence-failed', { gateway, reason: reasonOf(thrown) })
      if (isListed()) this.#table.noteSilence(presence, systemClock.now())
    } finally {
      presence.changed = undefined
    }
  }
}

import type { ClientInfo } from '../protocol/replies.ts'

/** One subscribed connection. */
export interface PresentClient extends ClientInfo {
  /** When it subscribed, in milliseconds since the epoch. */
  readonly since: number
  /** It is left out of presence. */
  readonly hidden?: true
}

/** The subscribed connections of one channel at one gateway, as the gateway reports them. */
export interface PresenceReport {
  /** Without public infos when there are more than `maxDetailed`. */
  readonly clients: readonly PresentClient[]
  /** Connections whose subscribe is under way: the stream may have run it, and the gateway has no answer yet. */
  readonly pending: readonly string[]
}

/** Connections and users of a channel. `clients` is empty when only the figures were asked for, or there are too many. */
export interface Presence {
  readonly kind: 'presence'
  readonly connections: number
  readonly users: number
  readonly clients: readonly PresentClient[]
}

/** What a caller wants to know: the connections, or how many there are. */
export type PresenceForm = 'list' | 'figures'

/** Connections in a list at most: a longer one would cost every subscriber. For larger channels there are figures only. */
export const maxListed = 1000
/** Connections whose public infos are kept at most: two kilobytes each. Beyond it only user and connection ids are kept. */
export const maxDetailed = 2000
/** How long a gateway is believed that neither called nor answered, in milliseconds. */
export const leaseMs = 60_000
/** How long a gateway that did not answer counts as empty, in milliseconds. */
export const silenceMs = 5_000

/** What a stream knows of its subscribers at one gateway. */
export interface GatewayPresence {
  readonly clients: Map<string, PresentClient>
  /** Whether `clients` is complete, as of `answeredAt`. */
  isKnown: boolean
  /** When the gateway last called or answered, in milliseconds since the epoch. */
  answeredAt: number
  /** When it was asked and did not answer, in milliseconds since the epoch. */
  silentAt: number
  /** Whether connections joined (or left) since the gateway was asked; undefined while it is not asked. */
  changed: Map<string, boolean> | undefined
}

/**
 * The connections that are subscribed to one stream, by gateway. Subscribes and leaves pass through the stream, so that it
 * knows them without asking; what an earlier instance knew is asked for once. A gateway is believed for `leaseMs` after its
 * last call or answer, since one that died reports no leaves.
 */
export class PresenceTable {
  readonly #gateways = new Set<GatewayPresence>()
  /** Connections that are shown, by user. */
  readonly #users = new Map<string, number>()
  #connections = 0
  #hasInfos = true

  /** A further gateway; `isKnown` when it had no subscribers until now. */
  open(isKnown: boolean, now: number): GatewayPresence {
    const clients = new Map<string, PresentClient>()
    const gateway = { clients, isKnown, answeredAt: now, silentAt: -Infinity, changed: undefined }
    this.#gateways.add(gateway)
    return gateway
  }

  /** The gateway has no subscribers any more. */
  close(gateway: GatewayPresence): void {
    this.clear(gateway)
    this.#gateways.delete(gateway)
  }

  /** The gateway's subscribers until now are gone. */
  clear(gateway: GatewayPresence): void {
    for (const client of gateway.clients.keys()) this.leave(gateway, client)
    gateway.isKnown = true
  }

  join(gateway: GatewayPresence, joined: PresentClient): void {
    const known = gateway.clients.get(joined.client)
    this.#put(gateway, known === undefined ? joined : { ...joined, since: known.since })
    gateway.changed?.set(joined.client, true)
  }

  leave(gateway: GatewayPresence, client: string): void {
    this.#remove(gateway, client)
    gateway.changed?.set(client, false)
  }

  /** Takes over a gateway's report. What passed through the stream since it was asked is newer. */
  learn(gateway: GatewayPresence, { clients, pending }: PresenceReport, now: number): void {
    const before = new Map(gateway.clients)
    const kept = new Set(pending)
    for (const [client, joined] of gateway.changed ?? []) if (joined) kept.add(client)
    for (const client of before.keys()) if (!kept.has(client)) this.#remove(gateway, client)
    for (const reported of clients) {
      const known = before.get(reported.client)
      const hasLeft = gateway.changed?.get(reported.client) === false
      if (!hasLeft && !kept.has(reported.client))
        this.#put(gateway, known === undefined ? reported : { ...reported, since: known.since })
    }
    gateway.isKnown = true
    gateway.answeredAt = now
  }

  /** The gateway did not answer: it counts as empty for a while. */
  noteSilence(gateway: GatewayPresence, now: number): void {
    this.clear(gateway)
    gateway.isKnown = false
    gateway.silentAt = now
  }

  /** Whether the gateway has to be asked. */
  isStale({ isKnown, answeredAt, silentAt }: GatewayPresence, now: number): boolean {
    if (!isKnown && now >= silentAt && now - silentAt < silenceMs) return false
    return !isKnown || now < answeredAt || now - answeredAt >= leaseMs
  }

  /** Public infos that were dropped while there were many connections are asked for again, for a list. */
  wantInfos(): void {
    if (this.#hasInfos || this.#connections > maxListed) return
    this.#hasInfos = true
    for (const gateway of this.#gateways) gateway.isKnown = false
  }

  /** Whether the user has another connection than this one. */
  hasOther(user: string, client: string): boolean {
    let connections = this.#users.get(user) ?? 0
    for (const { clients } of this.#gateways) if (clients.get(client)?.user === user) connections--
    return connections > 0
  }

  read(form: PresenceForm): Presence {
    const [connections, users] = [this.#connections, this.#users.size]
    const isListed = form === 'list' && connections <= maxListed
    const clients = isListed
      ? [...this.#gateways].flatMap((gateway) => [...gateway.clients.values()].filter(isShown))
      : []
    return { kind: 'presence', connections, users, clients }
  }

  #put(gateway: GatewayPresence, client: PresentClient): void {
    this.#remove(gateway, client.client)
    gateway.clients.set(client.client, this.#hasInfos ? client : withoutInfos(client))
    if (!isShown(client)) return
    this.#connections++
    this.#users.set(client.user, (this.#users.get(client.user) ?? 0) + 1)
    if (this.#hasInfos && this.#connections > maxDetailed) this.#dropInfos()
  }

  #remove(gateway: GatewayPresence, client: string): void {
    const known = gateway.clients.get(client)
    if (known === undefined) return
    gateway.clients.delete(client)
    if (!isShown(known)) return
    this.#connections--
    const left = (this.#users.get(known.user) ?? 1) - 1
    if (left > 0) this.#users.set(known.user, left)
    else this.#users.delete(known.user)
  }

  #dropInfos(): void {
    this.#hasInfos = false
    for (const { clients } of this.#gateways)
      for (const [client, known] of clients) clients.set(client, withoutInfos(known))
  }
}

const isShown = ({ hidden }: PresentClient): boolean => hidden !== true

/** The connection without its public infos. */
export const withoutInfos = ({ user, client, since, hidden }: PresentClient): PresentClient => ({
  user,
  client,
  since,
  ...(hidden === undefined ? {} : { hidden }),
})

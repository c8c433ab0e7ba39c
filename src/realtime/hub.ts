import { channelKey } from '../protocol/channel-names.ts'
import type { Infos, Publication } from '../protocol/replies.ts'
import { encodePresence, encodePub } from '../protocol/replies.ts'
import type { EphemeralEvent, StreamUpdate } from '../protocol/stream.ts'
import { maxDetailed, withoutInfos, type PresentClient } from './presence-table.ts'
import type { Session, Subscription, SubscriptionTerms } from './session.ts'

/** A channel as one gateway knows it: its subscribed sessions, and up to where they received its publications. */
export interface HubChannel {
  readonly tenant: string
  readonly channel: string
  epoch: string
  /** Highest offset delivered to all subscribers here. */
  last: number
  readonly sessions: Set<Session>
  /** The session whose attachment keeps `last`, so that a gateway that slept knows the position. */
  positionOwner: Session | undefined
  /** Of an inbox: sessions of tokens issued until then were closed, in milliseconds since the epoch; undefined while none is known. */
  revokedUntil?: number
}

/** What became of an update: delivered; not delivered because publications before it are missing; or of another log. */
export type Applied = 'applied' | 'gap' | 'otherEpoch'

/** Called when a session's attachment or its outgoing frame changed. */
export interface HubEvents {
  changed(session: Session): void
  written(session: Session): void
}

/**
 * The subscriptions of one gateway. SDKs neither sort nor deduplicate: the hub delivers each offset of a channel once to
 * every subscriber, in order and without a gap.
 */
export class Hub {
  readonly #channels = new Map<string, HubChannel>()
  /** The channels by `channelKey`. */
  readonly byKey: ReadonlyMap<string, HubChannel> = this.#channels
  readonly #events: HubEvents

  constructor(events: HubEvents) {
    this.#events = events
  }

  find(tenant: string, channel: string): HubChannel | undefined {
    return this.#channels.get(channelKey(tenant, channel))
  }

  channels(): IterableIterator<HubChannel> {
    return this.#channels.values()
  }

  /**
   * Subscribes a session: `skip` is the last offset in its subscribe reply, `last` the gateway's position if it is the first,
   * `since` the time in milliseconds since the epoch.
   */
  join(
    session: Session,
    channel: string,
    at: { epoch: string; last: number; skip: number; joinLeave: boolean; since: number },
  ): void {
    const { tenant } = session
    const state = this.find(tenant, channel) ?? this.#open(tenant, channel, at.epoch, at.last)
    state.sessions.add(session)
    const isOwner = state.positionOwner === undefined
    if (isOwner) state.positionOwner = session
    session.subscriptions.set(channel, {
      channel,
      epoch: at.epoch,
      skip: at.skip,
      kept: isOwner ? state.last : -1,
      joinLeave: at.joinLeave,
    })
    session.subscribedAt.set(channel, at.since)
    this.#events.changed(session)
  }

  /** Sets the terms of a session's subscription. */
  setTerms(session: Session, channel: string, terms: SubscriptionTerms): void {
    const subscription = session.subscriptions.get(channel)
    if (subscription === undefined) return
    session.subscriptions.set(channel, { ...subscription, terms })
    this.#events.changed(session)
  }

  /** Ends a subscription. Returns whether it was the last one of the channel here; undefined when there was none. */
  leave(session: Session, channel: string): { readonly last: boolean } | undefined {
    const state = this.find(session.tenant, channel)
    const wasSubscribed = session.subscriptions.delete(channel)
    session.subscribedAt.delete(channel)
    if (state === undefined || !wasSubscribed) return undefined

    state.sessions.delete(session)
    if (session.phase !== 'closed') this.#events.changed(session)
    if (state.sessions.size === 0) this.#channels.delete(channelKey(session.tenant, channel))
    else if (state.positionOwner === session) this.#moveOwner(state)
    return { last: state.sessions.size === 0 }
  }

  /**
   * Delivers an update to all subscribers. It holds everything after `after`; when that lies beyond the last offset
   * delivered here, publications between them are missing: nothing is delivered, and the caller asks the stream for them.
   */
  apply(state: HubChannel, update: StreamUpdate): Applied {
    if (update.epoch !== state.epoch) return 'otherEpoch'
    if (update.after > state.last) return 'gap'

    const fresh = update.publications.filter(({ offset }) => offset > state.last)
    if (fresh.length > 0) this.#deliver(state, fresh)
    for (const event of update.events) this.#deliverEvent(state, event)
    return 'applied'
  }

  /** The subscribed connections of a channel, those of many without their public infos. */
  presence(tenant: string, channel: string): PresentClient[] {
    const sessions = [...(this.find(tenant, channel)?.sessions ?? [])]
    const clients = sessions.map((session): PresentClient => {
      const { terms } = session.subscriptions.get(channel) ?? {}
      const { user, client, subscribedAt, openedAt } = session
      const since = subscribedAt.get(channel) ?? openedAt
      return { user, client, ...infosOf(session, terms), since, ...(terms?.hidden === true ? { hidden: true } : {}) }
    })
    return clients.length > maxDetailed ? clients.map(withoutInfos) : clients
  }

  /** Rebuilds one subscription from an attachment after sleep. */
  restore(session: Session, subscription: Subscription): void {
    const state =
      this.find(session.tenant, subscription.channel) ??
      this.#open(session.tenant, subscription.channel, subscription.epoch, -1)
    state.sessions.add(session)
    if (subscription.kept < 0) return
    state.positionOwner = session
    state.last = Math.max(state.last, subscription.kept)
  }

  #open(tenant: string, channel: string, epoch: string, last: number): HubChannel {
    const state: HubChannel = { tenant, channel, epoch, last, sessions: new Set(), positionOwner: undefined }
    this.#channels.set(channelKey(tenant, channel), state)
    return state
  }

  #deliver(state: HubChannel, fresh: readonly Publication[]): void {
    const lines = fresh.map((publication) => encodePub(state.channel, publication))
    const all = lines.join('\n')
    const before = fresh[0]?.offset ?? 0
    for (const session of state.sessions) {
      const skip = session.subscriptions.get(state.channel)?.skip ?? 0
      if (skip < before) this.#write(session, all)
      else this.#writeAfter(session, skip, fresh, lines)
    }
    state.last = fresh.at(-1)?.offset ?? state.last
    this.#remember(state)
  }

  #writeAfter(session: Session, skip: number, fresh: readonly Publication[], lines: readonly string[]): void {
    lines.forEach((line, index) => {
      if ((fresh[index]?.offset ?? 0) > skip) this.#write(session, line)
    })
  }

  #deliverEvent(state: HubChannel, event: EphemeralEvent): void {
    if (event.kind === 'removed' || event.kind === 'revoked' || event.kind === 'listed') return
    const line =
      event.kind === 'pub'
        ? encodePub(state.channel, { ...event, offset: 0 })
        : encodePresence(state.channel, event.kind, event.info)
    for (const session of state.sessions) if (receives(session, state.channel, event)) this.#write(session, line)
  }

  #write(session: Session, text: string): void {
    session.outgoing.push(text)
    this.#events.written(session)
  }

  #remember(state: HubChannel): void {
    const { positionOwner: owner } = state
    const subscription = owner?.subscriptions.get(state.channel)
    if (owner === undefined || subscription === undefined) return
    owner.subscriptions.set(state.channel, { ...subscription, kept: state.last })
    this.#events.changed(owner)
  }

  #moveOwner(state: HubChannel): void {
    state.positionOwner = state.sessions.values().next().value
    this.#remember(state)
  }
}

/** What others may see of a connection and of its subscription. */
export const infosOf = ({ info }: Session, terms: SubscriptionTerms | undefined): Infos => ({
  ...(info === undefined ? {} : { connInfo: info }),
  ...(terms?.chanInfo === undefined ? {} : { chanInfo: terms.chanInfo }),
})

/** Joins and leaves go to subscribers that asked for them, a typing event to all connections but its author's. */
function receives(
  session: Session,
  channel: string,
  event: Exclude<EphemeralEvent, { kind: 'removed' | 'revoked' | 'listed' }>,
): boolean {
  if (event.kind === 'pub') return event.except !== session.client
  if (event.kind === 'leave' && event.info.client === session.client) return false
  return session.subscriptions.get(channel)?.joinLeave === true
}

import type { ClientInfo, Infos, Publication } from '../protocol/replies.ts'
import { encodePresence, encodePub } from '../protocol/replies.ts'
import type { EphemeralEvent, StreamUpdate } from '../protocol/stream.ts'
import type { Session, Subscription, SubscriptionTerms } from './session.ts'

/** A channel as one gateway knows it: who listens here, and how far everybody has been told. */
export interface HubChannel {
  readonly tenant: string
  readonly channel: string
  epoch: string
  /** Highest offset delivered to every listener here. */
  last: number
  readonly sessions: Set<Session>
  /** The session whose attachment remembers `last`, so that a gateway that slept knows where it stood. */
  positionOwner: Session | undefined
}

/** What became of an update: told; not yet tellable because something before it is missing; or of another log. */
export type Applied = 'applied' | 'gap' | 'otherEpoch'

/** What the hub asks of the gateway: the session's attachment or its outgoing frame changed. */
export interface HubEvents {
  changed(session: Session): void
  written(session: Session): void
}

/**
 * Who listens to what on one gateway, and the order in which they hear it.
 * SDKs neither sort nor deduplicate: here every listener is told each offset once, in order, without a gap.
 */
export class Hub {
  readonly #channels = new Map<string, HubChannel>()
  readonly #events: HubEvents

  constructor(events: HubEvents) {
    this.#events = events
  }

  find(tenant: string, channel: string): HubChannel | undefined {
    return this.#channels.get(key(tenant, channel))
  }

  channels(): IterableIterator<HubChannel> {
    return this.#channels.values()
  }

  /** Starts listening: `skip` is the offset the subscribe reply went up to, `at` the gateway's own place if it is the first. */
  join(session: Session, channel: string, at: { epoch: string; last: number; skip: number; joinLeave: boolean }): void {
    const { tenant } = session
    const state = this.find(tenant, channel) ?? this.#open(tenant, channel, at.epoch, at.last)
    state.sessions.add(session)
    const keeps = state.positionOwner === undefined
    if (keeps) state.positionOwner = session
    session.subscriptions.set(channel, {
      channel,
      epoch: at.epoch,
      skip: at.skip,
      kept: keeps ? state.last : -1,
      joinLeave: at.joinLeave,
    })
    this.#events.changed(session)
  }

  /** Notes on what terms a session listens. */
  setTerms(session: Session, channel: string, terms: SubscriptionTerms): void {
    const subscription = session.subscriptions.get(channel)
    if (subscription === undefined) return
    session.subscriptions.set(channel, { ...subscription, terms })
    this.#events.changed(session)
  }

  /** Stops listening. Returns whether the session was the last one here, or undefined when it did not listen. */
  leave(session: Session, channel: string): { readonly last: boolean } | undefined {
    const state = this.find(session.tenant, channel)
    const listened = session.subscriptions.delete(channel)
    if (state === undefined || !listened) return undefined

    state.sessions.delete(session)
    if (session.phase !== 'closed') this.#events.changed(session)
    if (state.sessions.size === 0) this.#channels.delete(key(session.tenant, channel))
    else if (state.positionOwner === session) this.#moveOwner(state)
    return { last: state.sessions.size === 0 }
  }

  /**
   * Tells everyone who listens. An update holds everything after `after`; when that lies beyond what was told here,
   * something is missing in between: nothing is told, and the caller asks the stream for it.
   */
  apply(state: HubChannel, update: StreamUpdate): Applied {
    if (update.epoch !== state.epoch) return 'otherEpoch'
    if (update.after > state.last) return 'gap'

    const fresh = update.publications.filter(({ offset }) => offset > state.last)
    if (fresh.length > 0) this.#deliver(state, fresh)
    for (const signal of update.events) this.#signal(state, signal)
    return 'applied'
  }

  presence(tenant: string, channel: string): ClientInfo[] {
    const sessions = this.find(tenant, channel)?.sessions ?? []
    return [...sessions]
      .map((session) => ({ session, terms: session.subscriptions.get(channel)?.terms }))
      .filter(({ terms }) => terms?.hidden !== true)
      .map(({ session, terms }) => ({ user: session.user, client: session.client, ...infosOf(session, terms) }))
  }

  /** Rebuilds one channel membership from an attachment after sleep. */
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
    this.#channels.set(key(tenant, channel), state)
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

  #signal(state: HubChannel, signal: EphemeralEvent): void {
    if (signal.kind === 'removed' || signal.kind === 'revoked') return
    const line =
      signal.kind === 'pub'
        ? encodePub(state.channel, { ...signal, offset: 0 })
        : encodePresence(state.channel, signal.kind, signal.info)
    for (const session of state.sessions) if (hears(session, state.channel, signal)) this.#write(session, line)
  }

  #write(session: Session, text: string): void {
    session.outgoing.push(text)
    this.#events.written(session)
  }

  #remember(state: HubChannel): void {
    const { positionOwner: keeper } = state
    const subscription = keeper?.subscriptions.get(state.channel)
    if (keeper === undefined || subscription === undefined) return
    keeper.subscriptions.set(state.channel, { ...subscription, kept: state.last })
    this.#events.changed(keeper)
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

const key = (tenant: string, channel: string) => `${tenant}/${channel}`

/** Joins and leaves go to those who asked; a typing signal to all but the one who types; a leaver hears nothing of it. */
function hears(
  session: Session,
  channel: string,
  signal: Exclude<EphemeralEvent, { kind: 'removed' | 'revoked' }>,
): boolean {
  if (signal.kind === 'pub') return signal.except !== session.client
  if (signal.kind === 'leave' && signal.info.client === session.client) return false
  return session.subscriptions.get(channel)?.joinLeave === true
}

import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs } from '../../src/kernel/retry.ts'
import { inboxChannel, parseChannel } from '../../src/protocol/channels.ts'
import type { UnsubscribeName } from '../../src/protocol/close-codes.ts'
import { refuse } from '../../src/protocol/errors.ts'
import { encodeUnsubscribe } from '../../src/protocol/replies.ts'
import type {
  ChannelUpdate,
  StreamAnswer,
  StreamCall,
  StreamPosition,
  StreamResult,
  StreamUpdate,
  StreamVerb,
  TopicRules,
} from '../../src/protocol/stream.ts'
import type { Census } from '../../src/realtime/census.ts'
import { commandsOf } from '../../src/realtime/calls.ts'
import { Crowd } from '../../src/realtime/crowd.ts'
import { Hub, infosOf, type HubChannel } from '../../src/realtime/hub.ts'
import { Lane, type Errand } from '../../src/realtime/lane.ts'
import { cutAtLeavings, type Piece } from '../../src/realtime/leaving.ts'
import { isCheckedAt } from '../../src/realtime/patrol.ts'
import type { Session, Terms } from '../../src/realtime/session.ts'
import { conversationOf, inboxOf, jobStreamOf, topicOf } from '../address.ts'
import type { Grant } from './grants.ts'
import { Links } from './links.ts'
import { Overload } from './overload.ts'
import type { Sockets } from './sockets.ts'

const attempts = 3
/** After those a stream with listeners here is asked where it stands. */
const askLaterMs = 5000

/** What streams work with. `rules` are those of a plain topic, as far as they are known. */
export interface StreamParts {
  readonly env: Env
  readonly gateway: string
  readonly sockets: Sockets
  readonly census: Census
  readonly rules: (tenant: string, channel: string) => TopicRules | undefined
  /** A tenant's topic is kept by other rules than were believed here. */
  readonly rulesChanged: (tenant: string) => void
  /** An entry of the user's came in a conversation. */
  readonly wrote: (tenant: string, channel: string, user: string) => void
}

/** One gateway's dealings with the actors behind its channels: merged commands out, ordered news in. */
export class Streams {
  readonly #env: Env
  readonly #gateway: string
  readonly #sockets: Sockets
  readonly #connectionsOf: (session: Session) => readonly Session[]
  readonly #rules: (tenant: string, channel: string) => TopicRules | undefined
  readonly #rulesChanged: StreamParts['rulesChanged']
  readonly #wrote: StreamParts['wrote']
  /** Where subscribers stood that were unsubscribed because their topic began to keep history, by channel. */
  readonly #resume = new WeakMap<Session, Map<string, StreamPosition>>()
  readonly #lanes = new Map<string, Lane>()
  readonly #links: Links | undefined
  readonly #crowd = new Crowd(() => scheduler.wait(0))
  readonly hub: Hub
  readonly overload = new Overload(() => systemClock.now())
  calls = 0
  errands = 0

  constructor({ env, gateway, sockets, census, rules, rulesChanged, wrote }: StreamParts) {
    this.#rules = rules
    this.#rulesChanged = rulesChanged
    this.#wrote = wrote
    this.#env = env
    this.#gateway = gateway
    this.#sockets = sockets
    // Of the anonymous each is somebody else.
    this.#connectionsOf = ({ tenant, user }) => (user === '' ? [] : census.of(tenant, user))
    this.#links = loadConfig(env).links ? new Links(() => systemClock.now()) : undefined
    this.hub = new Hub({
      changed: (session) => sockets.changed(session),
      written: (session) => sockets.written(session),
    })
  }

  /** Rebuilds who listens to what after sleep. A channel nobody kept the place of is started over by its listeners. */
  restore(sessions: readonly Session[]): void {
    for (const session of sessions) for (const kept of session.subscriptions.values()) this.hub.restore(session, kept)
    for (const channel of this.hub.channels()) if (channel.last < 0) this.#startOver(channel)
  }

  /**
   * Sends a command to a channel's stream; `settle` hears its result in the same turn as everyone else the news. With
   * too much waiting already it is refused at once.
   */
  ask(session: Session, channel: string, verb: StreamVerb, settle: Errand['settle']): void {
    const lane = this.#lane(session.tenant, channel)
    const refusal = this.overload.refusal(verb, lane)
    if (refusal !== undefined) return settle(refusal)
    const command = { user: session.user, client: session.client, ...verb }
    this.errands++
    lane.add({ session, command, settle })
  }

  /** The session begins to listen, as it was granted. A position is looked at only where one can recover. */
  subscribe(
    session: Session,
    channel: string,
    { joinLeave, isRecoverable, terms, pass }: Grant,
    since: StreamPosition | undefined,
    settle: Errand['settle'],
  ): void {
    const infos = infosOf(session, terms)
    const position = since ?? this.#resume.get(session)?.get(channel)
    this.#resume.get(session)?.delete(channel)
    const shown = {
      ...(position !== undefined && isRecoverable ? { since: position } : {}),
      ...(pass === undefined ? {} : { pass }),
      ...announcedBy(terms),
    }
    this.ask(session, channel, { kind: 'subscribe', joinLeave, infos, ...shown }, (result) => {
      if (result.kind === 'subscribed' && Object.keys(terms).length > 0) this.hub.agree(session, channel, terms)
      settle(result)
    })
  }

  /** The session stops listening. */
  leave(session: Session, channel: string): void {
    const terms = session.subscriptions.get(channel)?.terms
    const infos = infosOf(session, terms)
    const parted = this.hub.part(session, channel)
    if (parted === undefined) return
    const verb = { kind: 'leave' as const, last: parted.last, infos, ...announcedBy(terms) }
    this.ask(session, channel, verb, () => undefined)
  }

  /** Asks some of the channels where they stand, in turn; their answers bring whatever is missing. */
  patrol(now: number): void {
    for (const { tenant, channel, epoch } of this.hub.channels())
      if (epoch !== '' && isCheckedAt(channel, now)) this.#lane(tenant, channel).poke()
  }

  /** News pushed by a stream. False when nobody listens here, so that it need not be told again. */
  publish(update: ChannelUpdate): boolean {
    const state = this.hub.find(update.tenant, update.channel)
    const lane = this.#lanes.get(laneKey(update.tenant, update.channel))
    if (state !== undefined) this.#apply(state, update)
    else lane?.poke()
    return state !== undefined || lane !== undefined
  }

  #lane(tenant: string, channel: string): Lane {
    const key = laneKey(tenant, channel)
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane = new Lane(async (errands) => {
      lane.calledAt = systemClock.now()
      await this.overload.during(errands.length, this.#call(tenant, channel, errands))
      lane.calledAt = 0
      if (!lane.owesCall) this.#lanes.delete(key)
    }, this.#crowd)
    this.#lanes.set(key, lane)
    return lane
  }

  async #call(tenant: string, channel: string, errands: readonly Errand[]): Promise<void> {
    const state = this.hub.find(tenant, channel)
    const rules = isConversation(channel) ? undefined : this.#rules(tenant, channel)
    const call = {
      gateway: this.#gateway,
      have: state?.last ?? null,
      ...(rules === undefined ? {} : { rules }),
      commands: commandsOf(errands, state, this.#connectionsOf),
    }
    const answer = await this.#execute(tenant, channel, call)
    if (answer !== undefined) return this.#settle(tenant, channel, errands, answer)
    errands.forEach(({ settle }) => settle(refuse('internal', 'the stream could not be reached')))
    if (state !== undefined) void this.#askLater(state)
  }

  /** What the stream did, if it did something, is told to everyone but us: we would have heard it in the answer. */
  async #askLater({ tenant, channel }: HubChannel): Promise<void> {
    await scheduler.wait(askLaterMs)
    if (this.hub.find(tenant, channel) !== undefined) this.#lane(tenant, channel).poke()
  }

  /** Every command may be repeated: a send by its clientId, an amendment by what it says, the others by nature. */
  async #execute(tenant: string, channel: string, call: StreamCall): Promise<StreamAnswer | undefined> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        this.calls++
        return await this.#reach(tenant, channel, call)
      } catch (thrown) {
        log.warn('gateway.call-failed', { channel, attempt, why: reasonOf(thrown) })
        await scheduler.wait(backoffMs(attempt, 50, 1000, Math.random()))
      }
    }
    return undefined
  }

  #reach(tenant: string, channel: string, call: StreamCall): Promise<StreamAnswer> | undefined {
    const parsed = parseChannel(channel)
    if (parsed === undefined) return undefined
    if (parsed.kind === 'job') return jobStreamOf(this.#env, tenant, channel)?.execute(call)
    if (parsed.kind === 'topic') return topicOf(this.#env, tenant, channel).execute(call)
    // Only conversations are ever busy enough for a link.
    if (parsed.kind !== 'conversation') return inboxOf(this.#env, tenant, parsed.user).execute(call)
    const stream = () => conversationOf(this.#env, tenant, parsed.id)
    return this.#links?.call(laneKey(tenant, channel), stream, call) ?? stream().execute(call)
  }

  /** Replies first, then news: a subscriber hears its reply before the first publication. */
  #settle(
    tenant: string,
    channel: string,
    errands: readonly Errand[],
    { results, update, behind }: StreamAnswer,
  ): void {
    errands.forEach((errand, index) => {
      const result = results[index] ?? refuse('internal')
      if (this.#isOvertaken(errand, channel, result)) return this.#lane(tenant, channel).add(errand)
      if (result.kind === 'subscribed') this.#subscribed(errand, channel, result, update.after)
      errand.settle(result)
    })
    const state = this.hub.find(tenant, channel)
    if (state === undefined) return
    if (behind) this.#startOver(state)
    else this.#apply(state, update)
  }

  /**
   * News pushed by the stream can be here before an answer that left it earlier. Who would join now would never hear
   * what the others here have just been told, so she asks again.
   */
  #isOvertaken({ session }: Errand, channel: string, result: StreamResult): boolean {
    if (result.kind !== 'subscribed' || session.phase === 'closed') return false
    const state = this.hub.find(session.tenant, channel)
    return state !== undefined && state.epoch === result.epoch && state.last > result.top
  }

  #subscribed(
    { session, command }: Errand,
    channel: string,
    result: Extract<StreamResult, { kind: 'subscribed' }>,
    last: number,
  ): void {
    if (session.phase === 'closed') {
      const alone = this.hub.find(session.tenant, channel) === undefined
      this.ask(session, channel, { kind: 'leave', last: alone }, () => undefined)
      return
    }
    const joinLeave = command.kind === 'subscribe' && command.joinLeave
    this.hub.join(session, channel, { epoch: result.epoch, last, skip: result.top, joinLeave })
  }

  #apply(state: HubChannel, told: StreamUpdate): void {
    const signals = this.overload.thin(told.signals)
    const update = signals === told.signals ? told : { ...told, signals }
    const pieces: readonly Piece[] = isConversation(state.channel) ? cutAtLeavings(update) : [{ news: update }]
    if (isConversation(state.channel))
      for (const { info } of update.publications)
        if (info !== undefined) this.#wrote(state.tenant, state.channel, info.user)
    for (const { news, left } of pieces) {
      const { last } = state
      const applied = this.hub.apply(state, news)
      if (applied === 'gap') this.#lane(state.tenant, state.channel).poke()
      if (applied === 'otherEpoch') this.#otherEpoch(state, update)
      if (applied !== 'applied') break
      if (left !== undefined && left.offset > last)
        this.#removeUser(state, left.user, { epoch: state.epoch, offset: left.offset })
    }
    for (const signal of update.signals) {
      if (signal.kind === 'removed') this.#removeUser(state, signal.user, signal.before)
      if (signal.kind === 'revoked') this.#revoke(state, signal.until)
    }
  }

  /**
   * The stream is another one. Subscribers of a topic that kept nothing have no position to recover from: theirs is where
   * the topic stood when it began to keep history, so that they miss nothing of what was published since.
   */
  #otherEpoch(state: HubChannel, { epoch, after }: StreamUpdate): void {
    if (state.epoch === '' || epoch === '') this.#rulesChanged(state.tenant)
    if (state.epoch === '' && epoch !== '')
      for (const session of state.sessions) {
        const positions = this.#resume.get(session) ?? new Map<string, StreamPosition>()
        this.#resume.set(session, positions.set(state.channel, { epoch, offset: after }))
      }
    this.#startOver(state)
  }

  /** The place is lost: everyone subscribes again with the position its SDK kept. */
  #startOver(state: HubChannel): void {
    for (const session of state.sessions) this.#unsubscribe(session, state.channel, 'insufficientState')
  }

  /** Ends a user's subscriptions, but for one that began after she had left and come back: word of it may be late. */
  #removeUser({ sessions, channel }: HubChannel, user: string, before: StreamPosition): void {
    for (const session of sessions) {
      const { epoch, skip = 0 } = session.subscriptions.get(channel) ?? {}
      const isMeant = session.user === user && epoch === before.epoch && skip < before.offset
      if (isMeant) this.#unsubscribe(session, channel, 'removed')
    }
  }

  #revoke(state: HubChannel, until: number): void {
    for (const session of state.sessions) if (session.issuedAt <= until) this.#sockets.close(session, 'revoked')
  }

  /** SDKs do not renew a server-side subscription by themselves: its connection is opened anew instead. */
  #unsubscribe(session: Session, channel: string, name: UnsubscribeName): void {
    const isServers = session.subscriptions.get(channel)?.terms?.server === true
    if (isServers || channel === inboxChannel(session.user)) return this.#reopen(session)
    this.leave(session, channel)
    this.#sockets.write(session, encodeUnsubscribe(channel, name))
  }

  #reopen(session: Session): void {
    this.#sockets.close(session, 'insufficientState')
  }
}

/** What a subscription's terms say of its join and leave. */
const announcedBy = (terms: Terms | undefined) => (terms?.joinLeave === undefined ? {} : { announced: terms.joinLeave })

/** Only their entries say who left, and no topic's rules are theirs. */
const isConversation = (channel: string) => channel.startsWith('conversation:')

const laneKey = (tenant: string, channel: string) => `${tenant}/${channel}`

import { loadConfig } from '../../../src/config.ts'
import { refuseAll } from '../../../src/conversations/apply-commands.ts'
import type { Env } from '../../../src/env.ts'
import { systemClock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import { backoffMs } from '../../../src/kernel/retry.ts'
import { inboxChannel, parseChannel } from '../../../src/protocol/channels.ts'
import type { UnsubscribeName } from '../../../src/protocol/close-codes.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import { encodeUnsubscribe } from '../../../src/protocol/replies.ts'
import type {
  ChannelUpdate,
  StreamAnswer,
  StreamCall,
  StreamPosition,
  StreamResult,
  StreamUpdate,
  StreamVerb,
  TopicRules,
} from '../../../src/protocol/stream.ts'
import type { ConnectionRegistry } from '../../../src/realtime/connection-registry.ts'
import { commandsOf } from '../../../src/realtime/commands-of-batch.ts'
import { BatchWindow } from '../../../src/realtime/batch-window.ts'
import { Hub, infosOf, type HubChannel } from '../../../src/realtime/hub.ts'
import { CommandBatcher, type PendingCommand } from '../../../src/realtime/command-batcher.ts'
import { splitAtRemovals, type UpdatePart } from '../../../src/realtime/split-at-removals.ts'
import { isCheckedAt } from '../../../src/realtime/position-check.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import { conversationOf, inboxOf, jobStreamOf, topicOf } from '../../address.ts'
import type { SubscriptionGrant } from './subscription-grants.ts'
import { Links } from './links.ts'
import type { NameDirectory } from './name-directory.ts'
import { Overload } from './overload.ts'
import type { Sockets } from '../transport/sockets.ts'

const attempts = 3
/** After those a stream with listeners here is asked where it stands. */
const askLaterMs = 5000

/** What streams work with. `rules` are those of a plain topic, as far as they are known. */
export interface ChannelClientContext {
  readonly env: Env
  readonly gateway: string
  readonly sockets: Sockets
  readonly registry: ConnectionRegistry
  readonly names: NameDirectory
  readonly rules: (tenant: string, channel: string) => TopicRules | undefined
  /** A tenant's topic is kept by other rules than were believed here. */
  readonly rulesChanged: (tenant: string) => void
  /** An entry of the user's came in a conversation. */
  readonly wrote: (tenant: string, channel: string, user: string) => void
}

/** One gateway's dealings with the actors behind its channels: merged commands out, ordered news in. */
export class ChannelClient {
  readonly #env: Env
  readonly #gateway: string
  readonly #sockets: Sockets
  readonly #connectionsOf: (session: Session) => readonly Session[]
  readonly #names: NameDirectory
  readonly #rules: (tenant: string, channel: string) => TopicRules | undefined
  readonly #rulesChanged: ChannelClientContext['rulesChanged']
  readonly #wrote: ChannelClientContext['wrote']
  /** Where subscribers stood that were unsubscribed because their topic began to keep history, by channel. */
  readonly #resume = new WeakMap<Session, Map<string, StreamPosition>>()
  readonly #batchers = new Map<string, CommandBatcher>()
  readonly #links: Links | undefined
  readonly #window = new BatchWindow(() => scheduler.wait(0))
  readonly hub: Hub
  readonly overload = new Overload(() => systemClock.now())
  calls = 0
  commands = 0

  constructor({ env, gateway, sockets, registry, names, rules, rulesChanged, wrote }: ChannelClientContext) {
    this.#names = names
    this.#rules = rules
    this.#rulesChanged = rulesChanged
    this.#wrote = wrote
    this.#env = env
    this.#gateway = gateway
    this.#sockets = sockets
    // Of the anonymous each is somebody else.
    this.#connectionsOf = ({ tenant, user }) => (user === '' ? [] : registry.connectionsOf(tenant, user))
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
  execute(session: Session, channel: string, verb: StreamVerb, settle: PendingCommand['settle']): void {
    const lane = this.#batcher(session.tenant, channel)
    const refusal = this.overload.refusal(verb, lane)
    if (refusal !== undefined) return settle(refusal)
    const command = { user: session.user, client: session.client, ...verb }
    this.commands++
    lane.add({ session, command, settle })
  }

  /** The session begins to listen, as it was granted. A position is looked at only where one can recover. */
  subscribe(
    session: Session,
    channel: string,
    { joinLeave, isRecoverable, terms, claim: pass }: SubscriptionGrant,
    since: StreamPosition | undefined,
    settle: PendingCommand['settle'],
  ): void {
    const infos = infosOf(session, terms)
    const position = since ?? this.#resume.get(session)?.get(channel)
    this.#resume.get(session)?.delete(channel)
    const shown = {
      ...(position !== undefined && isRecoverable ? { since: position } : {}),
      ...(pass === undefined ? {} : { pass }),
      ...announcedBy(terms),
    }
    this.execute(session, channel, { kind: 'subscribe', joinLeave, infos, ...shown }, (result) => {
      if (result.kind === 'subscribed' && Object.keys(terms).length > 0) this.hub.setTerms(session, channel, terms)
      settle(result)
    })
  }

  /** The session stops listening. */
  leave(session: Session, channel: string): void {
    const terms = session.subscriptions.get(channel)?.terms
    const infos = infosOf(session, terms)
    const parted = this.hub.leave(session, channel)
    if (parted === undefined) return
    const verb = { kind: 'leave' as const, last: parted.last, infos, ...announcedBy(terms) }
    this.execute(session, channel, verb, () => undefined)
  }

  /** Asks some of the channels where they stand, in turn; their answers bring whatever is missing. */
  checkPositions(now: number): void {
    for (const { tenant, channel, epoch } of this.hub.channels())
      if (epoch !== '' && isCheckedAt(channel, now)) this.#batcher(tenant, channel).pull()
  }

  /** News pushed by a stream. False when nobody listens here, so that it need not be told again. */
  publish(update: ChannelUpdate): boolean {
    const state = this.hub.find(update.tenant, update.channel)
    const lane = this.#batchers.get(laneKey(update.tenant, update.channel))
    if (state !== undefined) this.#apply(state, update)
    else lane?.pull()
    return state !== undefined || lane !== undefined
  }

  #batcher(tenant: string, channel: string): CommandBatcher {
    const key = laneKey(tenant, channel)
    const known = this.#batchers.get(key)
    if (known !== undefined) return known
    const lane = new CommandBatcher(async (commands) => {
      lane.calledAt = systemClock.now()
      await this.overload.during(commands.length, this.#call(tenant, channel, commands))
      lane.calledAt = 0
      if (!lane.hasWork) this.#batchers.delete(key)
    }, this.#window)
    this.#batchers.set(key, lane)
    return lane
  }

  async #call(tenant: string, channel: string, commands: readonly PendingCommand[]): Promise<void> {
    const state = this.hub.find(tenant, channel)
    const rules = isConversation(channel) ? undefined : this.#rules(tenant, channel)
    const call = {
      gateway: this.#gateway,
      have: state?.last ?? null,
      ...(rules === undefined ? {} : { rules }),
      commands: commandsOf(commands, state, this.#connectionsOf),
    }
    const answer = await this.#execute(tenant, channel, call)
    if (answer !== undefined) return this.#settle(tenant, channel, commands, answer)
    commands.forEach(({ settle }) => settle(refuse('internal', 'the stream could not be reached')))
    if (state !== undefined) void this.#askLater(state)
  }

  /** What the stream did, if it did something, is told to everyone but us: we would have heard it in the answer. */
  async #askLater({ tenant, channel }: HubChannel): Promise<void> {
    await scheduler.wait(askLaterMs)
    if (this.hub.find(tenant, channel) !== undefined) this.#batcher(tenant, channel).pull()
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
    const isSubscribed = this.hub.find(tenant, channel) !== undefined
    if (parsed.kind === 'job')
      return reach(call, isSubscribed || this.#names.hasQueue(tenant, parsed.queue), () =>
        jobStreamOf(this.#env, tenant, channel)?.execute(call),
      )
    if (parsed.kind === 'topic') return topicOf(this.#env, tenant, channel).execute(call)
    // Only conversations are ever busy enough for a link.
    if (parsed.kind !== 'conversation') return inboxOf(this.#env, tenant, parsed.user).execute(call)
    const stream = () => conversationOf(this.#env, tenant, parsed.id)
    return reach(
      call,
      isSubscribed || this.#names.hasConversation(tenant, parsed.id),
      () => this.#links?.call(laneKey(tenant, channel), stream, call) ?? stream().execute(call),
    )
  }

  /** Replies first, then news: a subscriber hears its reply before the first publication. */
  #settle(
    tenant: string,
    channel: string,
    commands: readonly PendingCommand[],
    { results, update, behind }: StreamAnswer,
  ): void {
    commands.forEach((command, index) => {
      const result = results[index] ?? refuse('internal')
      if (this.#isOvertaken(command, channel, result)) return this.#batcher(tenant, channel).add(command)
      if (result.kind === 'subscribed') this.#subscribed(command, channel, result, update.after)
      command.settle(result)
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
  #isOvertaken({ session }: PendingCommand, channel: string, result: StreamResult): boolean {
    if (result.kind !== 'subscribed' || session.phase === 'closed') return false
    const state = this.hub.find(session.tenant, channel)
    return state !== undefined && state.epoch === result.epoch && state.last > result.top
  }

  #subscribed(
    { session, command }: PendingCommand,
    channel: string,
    result: Extract<StreamResult, { kind: 'subscribed' }>,
    last: number,
  ): void {
    if (session.phase === 'closed') {
      const alone = this.hub.find(session.tenant, channel) === undefined
      this.execute(session, channel, { kind: 'leave', last: alone }, () => undefined)
      return
    }
    const joinLeave = command.kind === 'subscribe' && command.joinLeave
    this.hub.join(session, channel, { epoch: result.epoch, last, skip: result.top, joinLeave })
  }

  #apply(state: HubChannel, told: StreamUpdate): void {
    const signals = this.overload.thin(told.events)
    const update = signals === told.events ? told : { ...told, events: signals }
    const pieces: readonly UpdatePart[] = isConversation(state.channel) ? splitAtRemovals(update) : [{ update: update }]
    if (isConversation(state.channel))
      for (const { info } of update.publications)
        if (info !== undefined) this.#wrote(state.tenant, state.channel, info.user)
    for (const { update: news, removed: left } of pieces) {
      const { last } = state
      const applied = this.hub.apply(state, news)
      if (applied === 'gap') this.#batcher(state.tenant, state.channel).pull()
      if (applied === 'otherEpoch') this.#otherEpoch(state, update)
      if (applied !== 'applied') break
      if (left !== undefined && left.offset > last)
        this.#removeUser(state, left.user, { epoch: state.epoch, offset: left.offset })
    }
    for (const signal of update.events) {
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

/** Calls an actor whose name is known, or refuses as it would: an invented name wakes no actor. */
function reach(
  call: StreamCall,
  isKnown: Ready<boolean>,
  execute: () => Promise<StreamAnswer> | undefined,
): Promise<StreamAnswer> | undefined {
  if (isKnown === true) return execute()
  const refused = refuseAll(call)
  return Promise.resolve(isKnown).then(async (exists) => (exists ? ((await execute()) ?? refused) : refused))
}

/** What a subscription's terms say of its join and leave. */
const announcedBy = (terms: SubscriptionTerms | undefined) =>
  terms?.joinLeave === undefined ? {} : { announced: terms.joinLeave }

/** Only their entries say who left, and no topic's rules are theirs. */
const isConversation = (channel: string) => channel.startsWith('conversation:')

const laneKey = (tenant: string, channel: string) => `${tenant}/${channel}`

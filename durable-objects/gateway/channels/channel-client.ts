import { refuseAll } from '../../../src/conversations/apply-commands.ts'
import type { Env } from '../../../src/env.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import { backoffMs } from '../../../src/kernel/retry.ts'
import { channelKey, conversationIn } from '../../../src/protocol/channel-names.ts'
import { parseChannel } from '../../../src/protocol/channels.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import type {
  ChannelUpdate,
  StreamAnswer,
  StreamCall,
  StreamPosition,
  StreamResult,
  StreamVerb,
} from '../../../src/protocol/stream.ts'
import { CommandBatcher, completeCommands, type PendingCommand } from '../../../src/realtime/command-batcher.ts'
import { Hub, infosOf, type HubChannel } from '../../../src/realtime/hub.ts'
import type { PresenceReport } from '../../../src/realtime/presence-table.ts'
import { isCheckedAt } from '../../../src/realtime/liveness.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import { conversationOf, inboxOf, jobStreamOf, topicOf } from '../../address.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { SubscriptionGrant } from './subscription-grants.ts'
import { ChannelUpdates } from './channel-updates.ts'
import { Links } from './links.ts'
import { Overload } from '../../shared/overload.ts'

const attempts = 3
/** A subscribed channel whose calls failed that often is asked for its position after this time, in milliseconds. */
const askAgainMs = 5000

type Settle = PendingCommand['settle']

/** Connects one gateway to the actors behind its channels: sends them commands in batches, and applies their updates. */
export class ChannelClient {
  readonly #env: Env
  readonly #context: GatewayContext
  readonly #batchers = new Map<string, CommandBatcher>()
  readonly #links: Links | undefined
  readonly #updates: ChannelUpdates
  readonly hub: Hub
  readonly overload: Overload
  calls = 0
  commands = 0

  constructor(context: GatewayContext) {
    const { env, config, clock, sockets } = context
    this.#context = context
    this.#env = env
    this.#links = config.links ? new Links(() => clock.now()) : undefined
    this.overload = new Overload(
      () => clock.now(),
      () => scheduler.wait(0),
    )
    this.hub = new Hub({
      changed: (session) => sockets.changed(session),
      written: (session) => sockets.written(session),
    })
    this.#updates = new ChannelUpdates(context, this.hub, this.overload, {
      pull: (tenant, channel) => this.#batcher(tenant, channel).pull(),
      leave: (session, channel) => this.leave(session, channel),
    })
  }

  /** Rebuilds the subscriptions after sleep. Subscribers of a channel whose position was not kept subscribe again. */
  restore(sessions: readonly Session[]): void {
    for (const session of sessions) for (const kept of session.subscriptions.values()) this.hub.restore(session, kept)
    for (const channel of this.hub.channels()) if (channel.last < 0) this.#updates.startOver(channel)
  }

  /**
   * Sends a command to a channel's stream. `settle` takes its result, before the subscribers receive the update that came
   * with it. When too much is waiting the command is refused at once.
   */
  execute(session: Session, channel: string, verb: StreamVerb, settle: Settle): void {
    const batcher = this.#batcher(session.tenant, channel)
    const refusal = this.overload.refusal(verb, batcher)
    if (refusal !== undefined) return settle(refusal)
    this.commands++
    batcher.add({ session, command: { user: session.user, client: session.client, ...verb }, settle })
  }

  /** Subscribes a session as it was granted. A position is used only where the channel can recover. */
  subscribe(
    session: Session,
    channel: string,
    { joinLeave, isRecoverable, terms, claim: pass }: SubscriptionGrant,
    since: StreamPosition | undefined,
    settle: Settle,
  ): void {
    const infos = infosOf(session, terms)
    const position = since ?? this.#updates.resumePosition(session, channel)
    const optional = {
      ...(position !== undefined && isRecoverable ? { since: position } : {}),
      ...(pass === undefined ? {} : { pass }),
      ...announcedBy(terms),
      ...(terms.hidden === true ? { hidden: true } : {}),
    }
    this.execute(session, channel, { kind: 'subscribe', joinLeave, infos, ...optional }, (result) => {
      if (result.kind === 'subscribed' && Object.keys(terms).length > 0) this.hub.setTerms(session, channel, terms)
      settle(result)
    })
  }

  /** Ends a subscription of the session, if it has one. */
  leave(session: Session, channel: string): void {
    const terms = session.subscriptions.get(channel)?.terms
    const infos = infosOf(session, terms)
    const left = this.hub.leave(session, channel)
    if (left === undefined) return
    this.execute(session, channel, { kind: 'leave', last: left.last, infos, ...announcedBy(terms) }, () => undefined)
  }

  /** The connections subscribed to a channel here. */
  subscribed(tenant: string, channel: string): PresenceReport {
    const pending = this.#batchers.get(channelKey(tenant, channel))?.subscribing ?? []
    return { clients: this.hub.presence(tenant, channel), pending }
  }

  /** Asks the channels whose turn it is at `now` for their position; the answers bring the publications that are missing. */
  checkPositions(now: number): void {
    for (const { tenant, channel, epoch } of this.hub.channels())
      if (epoch !== '' && isCheckedAt(channel, now)) this.#batcher(tenant, channel).pull()
  }

  /** Applies an update sent by a stream. False when the channel has no subscriber here: the stream need not send more. */
  publish(update: ChannelUpdate): boolean {
    const key = channelKey(update.tenant, update.channel)
    const state = this.hub.byKey.get(key)
    const batcher = this.#batchers.get(key)
    if (state !== undefined) this.#updates.apply(state, update)
    else batcher?.pull()
    return state !== undefined || batcher !== undefined
  }

  #batcher(tenant: string, channel: string): CommandBatcher {
    const key = channelKey(tenant, channel)
    const known = this.#batchers.get(key)
    if (known !== undefined) return known
    const batcher = new CommandBatcher(
      async (commands) => {
        batcher.calledAt = this.#context.clock.now()
        await this.overload.during(commands.length, this.#call(key, tenant, channel, commands))
        batcher.calledAt = 0
        if (!batcher.hasWork) this.#batchers.delete(key)
      },
      () => this.overload.gather(),
    )
    this.#batchers.set(key, batcher)
    return batcher
  }

  async #call(key: string, tenant: string, channel: string, commands: readonly PendingCommand[]): Promise<void> {
    const state = this.hub.byKey.get(key)
    const conversation = conversationIn(channel)
    const rules = conversation === undefined ? this.#context.namespaces.rules(tenant, channel) : undefined
    const call = {
      gateway: this.#context.name,
      have: state?.last ?? null,
      subscribed: state?.sessions.size ?? 0,
      ...(rules === undefined ? {} : { rules }),
      commands: completeCommands(commands, state, (session) => this.#connectionsOf(session)),
    }
    const answer = await this.#execute(tenant, channel, conversation, call)
    if (answer !== undefined) return this.#settle(tenant, channel, commands, answer)
    commands.forEach(({ settle }) => settle(refuse('internal', 'the stream could not be reached')))
    if (state !== undefined) void this.#askAgain(state)
  }

  /** Anonymous connections share the user id "", but each is a user of its own. */
  #connectionsOf({ tenant, user }: Session): readonly Session[] {
    return user === '' ? [] : this.#context.registry.connectionsOf(tenant, user)
  }

  /** What the failed call did, if it did anything, was published to the other gateways only: ours had it in the answer. */
  async #askAgain({ tenant, channel }: HubChannel): Promise<void> {
    await scheduler.wait(askAgainMs)
    if (this.hub.find(tenant, channel) !== undefined) this.#batcher(tenant, channel).pull()
  }

  /** Every command may be repeated: a send has its clientId, an amendment its content, the others change nothing twice. */
  async #execute(
    tenant: string,
    channel: string,
    conversation: string | undefined,
    call: StreamCall,
  ): Promise<StreamAnswer | undefined> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        this.calls++
        if (conversation === undefined) return await this.#executeElsewhere(tenant, channel, call)
        const stream = () => conversationOf(this.#env, tenant, conversation)
        const execute = () => this.#links?.call(channelKey(tenant, channel), stream, call) ?? stream().execute(call)
        // A gateway that has the conversation's position has its subscribers: its name is known.
        if (call.have !== null) return await execute()
        return await executeIfKnown(call, this.#context.names.hasConversation(tenant, conversation), execute)
      } catch (thrown) {
        log.warn('gateway.call-failed', { channel, attempt, commands: call.commands.length, reason: reasonOf(thrown) })
        await scheduler.wait(backoffMs(attempt, 50, 1000, Math.random()))
      }
    }
    return undefined
  }

  /** Calls the actor of a channel that is no conversation. Only conversations are busy enough for links. */
  #executeElsewhere(tenant: string, channel: string, call: StreamCall): Promise<StreamAnswer> | undefined {
    const parsed = parseChannel(channel)
    if (parsed?.kind === 'job') {
      const execute = () => jobStreamOf(this.#env, tenant, channel)?.execute(call)
      if (call.have !== null) return execute()
      return executeIfKnown(call, this.#context.names.hasQueue(tenant, parsed.queue), execute)
    }
    if (parsed?.kind === 'topic') return topicOf(this.#env, tenant, channel).execute(call)
    return parsed?.kind === 'inbox' ? inboxOf(this.#env, tenant, parsed.user).execute(call) : undefined
  }

  /** Settles the commands, then applies the update: a subscriber receives its reply before the first publication. */
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
    if (behind) this.#updates.startOver(state)
    else this.#updates.apply(state, update)
  }

  /**
   * An update sent by the stream may arrive before an answer that left earlier. A session that subscribed with such an
   * answer would miss the publications just delivered to the other subscribers: its command is sent again.
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
    const since = this.#context.clock.now()
    this.hub.join(session, channel, { epoch: result.epoch, last, skip: result.top, joinLeave, since })
  }
}

/** Calls an actor if its name is known, or refuses as the actor would: an invented name wakes no actor. */
function executeIfKnown(
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

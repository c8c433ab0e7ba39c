import type { Env } from '../../../src/env.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { backoffMs } from '../../../src/kernel/retry.ts'
import { channelKey, conversationIn, isInbox } from '../../../src/protocol/channel-names.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult, StreamVerb } from '../../../src/protocol/stream.ts'
import type { Hub, HubChannel } from '../../../src/realtime/hub.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { conversationOf } from '../../address.ts'
import { maxInAll, Overload } from '../../shared/overload.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { Links } from './links.ts'
import { callIfKnown, callOpen, callOtherStream } from './other-streams.ts'

const attempts = 3
/** With fewer commands waiting for its channel a message is admitted without reading the clock and the load of calls. */
const fewPerChannel = 16
/** Calls under way from which on further calls wait a moment to gather more commands. Below it no command waits. */
const gatherFrom = 4
/** How many commands one call carries. */
const maxPerCall = 256
/**
 * After a call that subscribed connections or ended subscriptions further ones of the channel gather for the first time, in milliseconds,
 * and for twice as long as before, up to the second, while that brings any: when all clients return at once it saves most calls.
 */
const comingsGatherMs = { first: 5, longest: 40 } as const

/** A command of a session on its way to a stream; `settle` takes its result and must not wait. */
export interface PendingCommand {
  readonly session: Session
  readonly command: StreamCommand
  readonly settle: (result: StreamResult) => void
}

/** Takes the answer to a call: settles its commands and applies its update. */
type Answered = (
  tenant: string,
  channel: string,
  commands: readonly PendingCommand[],
  answer: StreamAnswer | undefined,
) => void

/** Sends the commands of one gateway to the actors behind its channels, in batches. */
export class ChannelCalls {
  readonly #env: Env
  readonly #context: GatewayContext
  readonly #hub: Hub
  readonly #answered: Answered
  readonly batchers = new Map<string, CommandBatcher>()
  readonly #links: Links | undefined
  /** Whether open actors are bounded in this process. */
  readonly #isBounded: boolean
  readonly #window = new CallWindow(() => scheduler.wait(0))
  readonly overload: Overload
  calls = 0
  commands = 0

  constructor(context: GatewayContext, hub: Hub, answered: Answered) {
    const { env, config, clock } = context
    this.#env = env
    this.#context = context
    this.#hub = hub
    this.#answered = answered
    this.#isBounded = config.maxOpenActors !== Infinity
    this.#links = config.links ? new Links(() => clock.now()) : undefined
    this.overload = new Overload(this.#window, () => clock.now())
  }

  /**
   * Sends a command to a channel's stream. `settle` takes its result, before the subscribers receive the update that came
   * with it. When too much is waiting the command is refused at once.
   */
  execute(session: Session, channel: string, verb: StreamVerb, settle: PendingCommand['settle']): void {
    const batcher = this.#batcher(session.tenant, channel)
    const refusal = isAdmittedAtOnce(verb, batcher, this.#window) ? undefined : this.overload.refusal(verb, batcher)
    if (refusal !== undefined) return settle(refusal)
    this.commands++
    batcher.add({ session, command: { user: session.user, client: session.client, ...verb }, settle })
  }

  /** Sends a command that was sent before once more. */
  repeat(channel: string, command: PendingCommand): void {
    this.#batcher(command.session.tenant, channel).add(command)
  }

  /** Makes a call, also without commands, whose answer brings the publications that are missing here. */
  pull(tenant: string, channel: string): void {
    this.#batcher(tenant, channel).pull()
  }

  /** The batcher of a channel with commands waiting or under way. */
  find(tenant: string, channel: string): CommandBatcher | undefined {
    return this.batchers.get(channelKey(tenant, channel))
  }

  #batcher(tenant: string, channel: string): CommandBatcher {
    const key = channelKey(tenant, channel)
    const known = this.batchers.get(key)
    if (known !== undefined) return known
    const batcher: CommandBatcher = new CommandBatcher({
      send: (commands) => this.#call(batcher, key, tenant, channel, commands),
      gather: () => this.#window.gather(),
      // The inbox of a user has few connections, which do not return together.
      ...(isInbox(channel) ? {} : { pause: (ms) => scheduler.wait(ms) }),
      ended: () => this.batchers.get(key) === batcher && this.batchers.delete(key),
    })
    this.batchers.set(key, batcher)
    return batcher
  }

  async #call(
    batcher: CommandBatcher,
    key: string,
    tenant: string,
    channel: string,
    commands: readonly PendingCommand[],
  ): Promise<void> {
    batcher.calledAt = this.#context.clock.now()
    this.#window.calls++
    this.#window.commands += commands.length
    try {
      const answer = await this.#exchange(key, tenant, channel, commands)
      // A call that was overdue has ended before.
      if (batcher.calledAt > 0) this.#answered(tenant, channel, commands, answer)
    } finally {
      if (batcher.calledAt > 0) this.ended(batcher, this.#context.clock.now())
    }
  }

  /** A call has ended, or is given up. */
  ended(batcher: CommandBatcher, now: number): void {
    this.#window.calls--
    this.#window.commands -= batcher.called.length
    this.overload.called(now - batcher.calledAt, now)
    batcher.calledAt = 0
  }

  #exchange(
    key: string,
    tenant: string,
    channel: string,
    commands: readonly PendingCommand[],
  ): Promise<StreamAnswer | undefined> {
    const state = this.#hub.byKey.get(key)
    const conversation = conversationIn(channel)
    const rules = conversation === undefined ? this.#context.namespaces.rules(tenant, channel) : undefined
    const call = {
      gateway: this.#context.name,
      have: state?.last ?? null,
      subscribed: state?.sessions.size ?? 0,
      ...(rules === undefined ? {} : { rules }),
      commands: completeCommands(commands, state, (session) => this.#connectionsOf(session)),
    }
    return this.#attempt(key, tenant, channel, conversation, call)
  }

  /** Every command may be repeated: a send has its clientId, an amendment its content, the others change nothing twice. */
  async #attempt(
    key: string,
    tenant: string,
    channel: string,
    conversation: string | undefined,
    call: StreamCall,
  ): Promise<StreamAnswer | undefined> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        this.calls++
        if (conversation === undefined) return await callOtherStream(this.#context, tenant, channel, call)
        const stream = () => conversationOf(this.#env, tenant, conversation)
        const run = () => this.#links?.call(key, stream, call) ?? stream().execute(call)
        const execute = this.#isBounded ? () => this.#callOpen(tenant, conversation, call, run) : run
        // A gateway that has the conversation's position has its subscribers: its name is known.
        if (call.have !== null) return await execute()
        return await callIfKnown(call, this.#context.names.hasConversation(tenant, conversation), execute)
      } catch (thrown) {
        log.warn('gateway.call-failed', { channel, attempt, commands: call.commands.length, reason: reasonOf(thrown) })
        await scheduler.wait(backoffMs(attempt, 50, 1000, Math.random()))
      }
    }
    return undefined
  }

  #callOpen(tenant: string, name: string, call: StreamCall, run: () => Promise<StreamAnswer>): Promise<StreamAnswer> {
    const isKnown = call.have !== null || this.#context.names.areIdsChecked(tenant)
    return callOpen(this.#env, { kind: 'conversation', tenant, name, isKnown }, call, run)
  }

  /** Anonymous connections share the user id "", but each is a user of its own. */
  #connectionsOf({ tenant, user }: Session): readonly Session[] {
    return user === '' ? [] : this.#context.registry.connectionsOf(tenant, user)
  }
}

/** Whether a command is a message that meets a short queue, which takes no further decision. */
export const isAdmittedAtOnce = ({ kind }: StreamVerb, { waiting }: { waiting: number }, all: { commands: number }) =>
  (kind === 'send' || kind === 'publish') && waiting < fewPerChannel && all.commands < maxInAll.waiting

/**
 * Counts the calls under way and their commands. The runtime delivers one message of a socket at a time, so a call that leaves at once rarely
 * carries two; while many calls are under way a short wait costs no latency, and the commands that arrive during it leave
 * as one call.
 */
export class CallWindow {
  readonly #nextRound: () => Promise<void>
  #round: Promise<void> | undefined
  calls = 0
  commands = 0

  /** `nextRound` resolves once everything that has already arrived was delivered. */
  constructor(nextRound: () => Promise<void>) {
    this.#nextRound = nextRound
  }

  /** Resolves when a call may leave; undefined when it may leave now. */
  gather(): Promise<void> | undefined {
    if (this.calls < gatherFrom) return undefined
    this.#round ??= this.#nextRound().finally(() => {
      this.#round = undefined
    })
    return this.#round
  }
}

/** What a batcher works with. */
export interface BatcherParts {
  /** Makes one call and settles its commands. Must not throw. */
  readonly send: (commands: readonly PendingCommand[]) => Promise<void>
  /** Resolves when a call may leave; undefined when it may leave now. */
  readonly gather: () => Promise<void> | undefined
  /** Resolves after so many milliseconds; absent where subscriptions do not gather. */
  readonly pause?: (ms: number) => Promise<void>
  /** Nothing waits, and nothing is under way. */
  readonly ended: () => unknown
  /** Bounds the commands of one call. */
  readonly cap?: number
}

/**
 * Batches the commands of one gateway to one stream. The first command leaves at once. While a call is under way further
 * commands wait and leave together as the next call: under load they merge, and their order is kept because only one call
 * is under way. When the gateway makes many calls, the first command waits for others that have already arrived, too. After
 * a call with subscriptions further ones gather for a moment, which every other command ends.
 */
export class CommandBatcher {
  readonly #parts: BatcherParts
  readonly #cap: number
  #waiting: PendingCommand[] = []
  /** The commands of the call under way. */
  called: readonly PendingCommand[] = []
  #pulls = false
  /** Ends the gathering of subscriptions. */
  #endGathering: () => void = () => undefined
  busy = false
  /** When the call under way began, in milliseconds; 0 when there is none. Set by `send`. */
  calledAt = 0

  constructor(parts: BatcherParts) {
    this.#parts = parts
    this.#cap = parts.cap ?? maxPerCall
  }

  /** Whether another call follows once the one under way is answered. */
  get hasWork(): boolean {
    return this.#pulls || this.#waiting.length > 0
  }

  /** The connections whose subscribe is under way, or waits. */
  get subscribing(): string[] {
    const all = [...this.called, ...this.#waiting]
    return all.flatMap(({ command, session }) => (command.kind === 'subscribe' ? [session.client] : []))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  add(command: PendingCommand): void {
    this.#waiting.push(command)
    if (!this.busy) void this.#run()
    else if (!isComingOrGoing(command) || this.#waiting.length >= this.#cap) this.#endGathering()
  }

  /** Returns the commands that wait, which it will not send: the call under way is given up. */
  abandon(): PendingCommand[] {
    this.#pulls = false
    return this.#waiting.splice(0)
  }

  /** Makes one more call, also without commands, to be brought up to date. */
  pull(): void {
    this.#pulls = true
    if (!this.busy) void this.#run()
    else this.#endGathering()
  }

  async #run(): Promise<void> {
    this.busy = true
    try {
      for (let gatherMs: number = comingsGatherMs.first; this.hasWork;) {
        // Also when it does not wait: the commands that follow in the same frame join the call.
        await this.#waitForOthers()
        this.#pulls = false
        this.called = this.#waiting.splice(0, this.#cap)
        await this.#parts.send(this.called)
        const mayGather = this.called.some(isComingOrGoing) && !this.#pulls && this.#waiting.every(isComingOrGoing)
        this.called = []
        if (!mayGather || this.#waiting.length >= this.#cap) continue
        await this.#gatherComings(gatherMs)
        gatherMs = Math.min(2 * gatherMs, comingsGatherMs.longest)
      }
    } finally {
      this.called = []
      this.busy = false
      this.#parts.ended()
    }
  }

  async #gatherComings(ms: number): Promise<void> {
    const { pause } = this.#parts
    if (pause === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#endGathering = resolve
    await Promise.race([promise, pause(ms)])
    this.#endGathering = () => undefined
  }

  /** While calls gather: waits as long as rounds bring further commands, at most 16 rounds. */
  async #waitForOthers(): Promise<void> {
    let idle = 0
    for (let rounds = 0, known = -1; rounds < 16 && idle < 2; rounds++) {
      idle = this.#waiting.length > known ? 0 : idle + 1
      known = this.#waiting.length
      const round = this.#parts.gather()
      if (round === undefined) return
      await round
    }
  }
}

const isComingOrGoing = ({ command }: PendingCommand): boolean =>
  command.kind === 'subscribe' || command.kind === 'leave'

/**
 * The commands of one call, completed by what is known only when it leaves. Whether a leave is the last of its channel may
 * have changed since it was added: another session may have subscribed, or does in this very call, and a stream that took
 * the gateway for unsubscribed would send it no more updates. `alone`, by which joins and leaves are published, says that
 * the user has no other subscribed connection; `connectionsOf` returns the connections of a session's user here.
 */
export function completeCommands(
  commands: readonly PendingCommand[],
  state: HubChannel | undefined,
  connectionsOf: (session: Session) => readonly Session[],
): StreamCommand[] {
  const last = () => state === undefined && !commands.some(({ command }) => command.kind === 'subscribe')
  const alone = (session: Session) =>
    state === undefined || !connectionsOf(session).some((other) => other !== session && state.sessions.has(other))
  return commands.map(({ command, session }, index) => {
    if (command.kind === 'leave') return { ...command, last: last(), alone: alone(session) }
    if (command.kind !== 'subscribe') return command
    const isFirst = !commands.slice(0, index).some((earlier) => subscribesAs(earlier, command.user))
    return { ...command, alone: isFirst && alone(session) }
  })
}

const subscribesAs = ({ command }: PendingCommand, user: string): boolean =>
  command.kind === 'subscribe' && command.user === user

import { channelKey } from '../../../src/protocol/channel-names.ts'
import { answerUnchanged, RecentInboxes } from '../../../src/inbox/recent-inboxes.ts'
import { inboxUserIn } from '../../../src/protocol/channels.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import type {
  ChannelUpdate,
  StreamAnswer,
  StreamPosition,
  StreamResult,
  StreamUpdate,
} from '../../../src/protocol/stream.ts'
import { Hub, infosOf, type HubChannel } from '../../../src/realtime/hub.ts'
import { isCheckedAt } from '../../../src/realtime/liveness.ts'
import type { PresenceReport } from '../../../src/realtime/presence-table.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { ChannelCalls, type PendingCommand } from './channel-calls.ts'
import { FailedCalls } from './failed-calls.ts'
import { ChannelUpdates } from './channel-updates.ts'
import type { SubscriptionGrant } from './subscription-grants.ts'

type Settle = PendingCommand['settle']

/** Connects one gateway to the actors behind its channels: subscribes its sessions, and applies the answers and updates. */
export class ChannelClient {
  readonly #context: GatewayContext
  readonly #updates: ChannelUpdates
  readonly #recentInboxes = new RecentInboxes()
  readonly hub: Hub
  readonly calls: ChannelCalls
  readonly #failed: FailedCalls

  /** `inboxUpdated` gets the updates of users' inboxes once they are delivered. */
  constructor(context: GatewayContext, inboxUpdated: (tenant: string, user: string, update: StreamUpdate) => void) {
    const { sockets } = context
    this.#context = context
    this.hub = new Hub({
      changed: (session) => sockets.changed(session),
      written: (session) => sockets.written(session),
    })
    this.calls = new ChannelCalls(context, this.hub, (tenant, channel, commands, answer) =>
      answer === undefined
        ? this.#failed.refuse(channelKey(tenant, channel), commands)
        : this.#answered(tenant, channel, commands, answer),
    )
    this.#failed = new FailedCalls(this.hub, (tenant, channel) => this.calls.pull(tenant, channel))
    this.#updates = new ChannelUpdates(context, this.hub, this.calls.overload, {
      pull: (tenant, channel) => this.calls.pull(tenant, channel),
      leave: (session, channel) => this.leave(session, channel),
      inboxUpdated,
    })
  }

  /** Rebuilds the subscriptions after sleep. Subscribers of a channel whose position was not kept subscribe again. */
  restore(sessions: readonly Session[]): void {
    for (const session of sessions) for (const kept of session.subscriptions.values()) this.hub.restore(session, kept)
    for (const channel of this.hub.channels()) if (channel.last < 0) this.#updates.startOver(channel)
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
    const settled: Settle = (result) => {
      if (result.kind === 'subscribed' && Object.keys(terms).length > 0) this.hub.setTerms(session, channel, terms)
      settle(result)
    }
    const recent = this.#recentInboxes.end(session.tenant, channel)
    const now = this.#context.clock.now()
    const unchanged = recent && pass && answerUnchanged(recent, pass, position, now)
    if (unchanged === undefined)
      return this.calls.execute(session, channel, { kind: 'subscribe', joinLeave, infos, ...optional }, settled)
    const { epoch, top } = unchanged
    this.hub.join(session, channel, { epoch, last: top, skip: top, joinLeave, since: now })
    settled(unchanged)
  }

  /** Ends a subscription of the session, if it has one. */
  leave(session: Session, channel: string): void {
    const terms = session.subscriptions.get(channel)?.terms
    const infos = infosOf(session, terms)
    const state = this.hub.find(session.tenant, channel)
    const left = this.hub.leave(session, channel)
    if (left === undefined || (left.last && this.#isKept(session, state))) return
    this.calls.execute(
      session,
      channel,
      { kind: 'leave', last: left.last, infos, ...announcedBy(terms) },
      () => undefined,
    )
  }

  /** The connections subscribed to a channel here. */
  subscribed(tenant: string, channel: string): PresenceReport {
    this.#recentInboxes.end(tenant, channel)
    const pending = this.calls.find(tenant, channel)?.subscribing ?? []
    return { clients: this.hub.presence(tenant, channel), pending }
  }

  /** Gives up calls that are overdue, and asks the channels whose turn it is at `now` for their position; the answers bring the publications that are missing. */
  checkPositions(now: number): void {
    this.#failed.expire(this.calls.batchers, now, (call) => this.calls.ended(call, now))
    this.#recentInboxes.tidy(now)
    for (const { tenant, channel, epoch } of this.hub.channels())
      if (epoch !== '' && isCheckedAt(channel, now)) this.calls.pull(tenant, channel)
  }

  /** Applies an update sent by a stream. False when the channel has no subscriber here: the stream need not send more. */
  publish(update: ChannelUpdate): boolean {
    this.#recentInboxes.end(update.tenant, update.channel)
    const state = this.hub.find(update.tenant, update.channel)
    if (state !== undefined) this.#updates.apply(state, update)
    if (state !== undefined) return true
    const batcher = this.calls.find(update.tenant, update.channel)
    batcher?.pull()
    return batcher !== undefined
  }

  /**
   * Whether an inbox is kept whose last session has left, so that the inbox need not be told. Not with a call to it under way,
   * whose answer may change what is known of it.
   */
  #isKept({ user, issuedAt, buckets }: Session, state: HubChannel | undefined): boolean {
    if (state === undefined || inboxUserIn(state.channel) !== user) return false
    const { tenant, channel, epoch, last, revokedUntil = -1 } = state
    if (issuedAt <= revokedUntil || !(buckets instanceof Uint16Array)) return false
    if (this.calls.find(tenant, channel) !== undefined) return false
    const closedAt = this.#context.clock.now()
    return this.#recentInboxes.keep(tenant, channel, { epoch, top: last, issuedAt, buckets, closedAt })
  }

  /** Settles the commands, then applies the update: a subscriber receives its reply before the first publication. */
  #answered(
    tenant: string,
    channel: string,
    commands: readonly PendingCommand[],
    { results, update, behind }: StreamAnswer,
  ): void {
    commands.forEach((command, index) => {
      const result = results[index] ?? refuse('internal')
      if (this.#isOvertaken(command, channel, result)) return this.calls.repeat(channel, command)
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
      this.calls.execute(session, channel, { kind: 'leave', last: alone }, () => undefined)
      return
    }
    const joinLeave = command.kind === 'subscribe' && command.joinLeave
    const since = this.#context.clock.now()
    this.hub.join(session, channel, { epoch: result.epoch, last, skip: result.top, joinLeave, since })
  }
}

/** What a subscription's terms say of its join and leave. */
const announcedBy = (terms: SubscriptionTerms | undefined) =>
  terms?.joinLeave === undefined ? {} : { announced: terms.joinLeave }

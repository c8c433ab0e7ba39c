import {
  type AppliedCommands,
  type ConversationState,
  mayRead,
  mayWrite,
  toPublication,
} from '../../src/conversations/state.ts'
import { replyEntry } from '../../src/activity/entry-change.ts'
import { decideCreate, type NewConversation } from '../../src/conversations/create.ts'
import { historyWindow, pageBounds } from '../../src/protocol/history-window.ts'
import { applyCommands, refuseAll } from '../../src/conversations/apply-commands.ts'
import { propertiesOf, viewOf } from '../../src/conversations/view.ts'
import type { Actor, Conversation as ConversationRecord } from '../../src/conversations/types.ts'
import { loadConfig } from '../../src/config.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { within } from '../../src/kernel/retry.ts'
import type { UserStates } from '../../src/events/activity.ts'
import type { Ready } from '../../src/kernel/ready.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { readPageUrl } from '../../src/protocol/page-request.ts'
import { missedBetween } from '../../src/protocol/recover.ts'
import type { HistoryAnswer, HistoryQuery, StreamAnswer, StreamCall, StreamUpdate } from '../../src/protocol/stream.ts'
import type { Presence, PresenceForm } from '../../src/realtime/presence-table.ts'
import type { ConversationRpc, Created } from '../contracts.ts'
import { ownName } from '../address.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { ConversationStore } from './conversation-store.ts'
import { ConversationTasks, gatherMs } from './conversation-tasks.ts'
import { acceptLink } from './link-server.ts'
import { MaintainedConversation } from './maintained-conversation.ts'
import { pageResponse } from './page-response.ts'
import { PresenceNotifier } from './presence-notifier.ts'

/** How a message begins, which changes the state of no member but its author, unless it mentions any. */
const messageEntry = '{"type":"message"'
/** After so many entries the alarm is looked at again, since a full batch does not wait. */
const gatherEntries = 64
/** The creation of a conversation with at most so many members waits until their lists show it. */
const shownAtOnce = 50
const upToDate = { behind: false, entries: [] } as const

/** One conversation: stores its messages in order, publishes them to its subscribers, and writes them to Postgres and the inboxes later. */
export class Conversation extends MaintainedConversation implements ConversationRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'conversation')
  #store = ConversationStore.open(this.ctx, this.env)
  readonly #presence = new PresenceNotifier({
    subscribers: () => this.#store.subscribers,
    withoutOthers: (infos) => this.#store.subscribers.presence.withoutOthers(infos),
    publish: (signals) =>
      this.#store.subscribers.publish(
        this.#update({ results: [], publications: [], events: [...signals] }, this.#store.log.top()),
        null,
      ),
    clock: this.#clock,
    graceMs: loadConfig(this.env).presenceGraceMs,
  })
  readonly #tasks = new ConversationTasks(this.#place.alarm, this.ctx.id.name ?? '', this.env, () => this.#store, this)
  protected override readonly maintained = () => ({
    store: this.#store,
    tasks: this.#tasks,
    state: () => this.#state(),
  })

  /** Runs the commands of one gateway, or of one HTTP request, in order; the answer leaves once they are durable. */
  execute(call: StreamCall): StreamAnswer {
    const state = this.#state()
    if (state === undefined) return this.#refuseAll(call)

    const have = this.#store.log.top()
    const { version } = state.conversation
    const applied = applyCommands(state, call.commands)
    if (state.conversation.version !== version) this.#tasks.runNext()
    this.#store.subscribers.note(call, applied.results)
    const published =
      applied.events.length === 0
        ? applied
        : { ...applied, events: this.#presence.filter(applied.events, call.gateway) }
    const answer = this.#answer(call, state, published, have)
    if (state.conversation.deletedAt !== undefined) this.#store.conversationDeleted()
    return answer
  }

  /** Opens a link, a socket over which a gateway makes the same calls at less cost; or answers a page request. */
  override fetch(request: Request): Response {
    if (request.headers.has('upgrade')) return acceptLink(request, (call) => this.execute(call))
    const { actor, query, ifNoneMatch } = readPageUrl(request.url)
    return pageResponse(this.history(actor, query), query, ifNoneMatch)
  }

  /** Creates the conversation, or finds the existing one. Its creator's list shows it at once. */
  async create(wanted: NewConversation): Promise<Created | Refusal> {
    const decision = decideCreate(this.#store.conversation, wanted, randomToken(8), this.#clock.now())
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'created') {
      requireTenant(ownName(this.ctx.id.name).tenant)
      if (this.#store.conversation === undefined) this.#store = ConversationStore.create(this.ctx, this.env)
      this.#store.begin(decision.conversation, decision.members)
      this.#tasks.begun()
      if (decision.members.length > shownAtOnce) this.#tasks.runNext()
      else await this.#tasks.updateInboxes().catch(() => this.#tasks.runNext())
      this.#tasks.alarm.runPrompt(this.#clock.now())
    }
    const view = viewOf(this.#stateOf(decision.conversation), wanted.createdBy)
    return { kind: 'conversation', view, ...propertiesOf(decision.conversation), made: decision.kind === 'created' }
  }

  /** Whether `actor` may write here, without writing. */
  admitsWriter(actor: Actor): { readonly kind: 'admitted' } | Refusal {
    const state = this.#state()
    const denied = state === undefined ? refuse('notFound') : mayWrite(state, actor)
    return denied ?? { kind: 'admitted' }
  }

  /** A page of the log: what is held here, and which seqs must be read from Postgres. */
  history(actor: Actor, query: HistoryQuery): HistoryAnswer {
    const state = this.#state()
    const denied = state === undefined ? refuse('permissionDenied') : mayRead(state, actor)
    if (state === undefined || denied !== undefined) return refuse('permissionDenied')
    const { epoch } = state.conversation
    const top = state.log.top()
    const read = historyWindow(query, { epoch, top })
    if (read.kind === 'refused') return read

    const { first, last } = pageBounds(read.window)
    const floor = this.#store.log.floor()
    const held = this.#store.log.range(Math.max(first, floor) - 1, last, sizes.historyPage).map(toPublication)
    const asked = query.reverse ? held.toReversed() : held
    const publications = fitting(asked)
    // No older entries may follow a page that was cut at its old end.
    const endsHere = query.reverse && publications.length < asked.length
    return {
      kind: 'page',
      epoch,
      top,
      publications,
      ...(first < floor && first <= last && !endsHere
        ? { missing: this.#store.coldRanges.of({ first, last: Math.min(last, floor - 1) }) }
        : {}),
      amendments: this.#store.amendments.between(first, last),
      states: this.#store.messages.between(first, last, actor.user, state.now),
    }
  }

  /** The connections that are subscribed now, or how many there are. */
  presence(actor: Actor, form: PresenceForm): Ready<Presence | Refusal> {
    const state = this.#state()
    if (state === undefined || mayRead(state, actor)) return refuse('permissionDenied')
    return this.#store.subscribers.presence.read(form)
  }

  /** The states of those of `users` that are members; undefined when there is no conversation. */
  readStates(users: readonly string[]): UserStates | undefined {
    const { activity } = this.#store
    const state = this.#state()
    if (state === undefined) return undefined
    return { activity: activity.activity(state.conversation), states: activity.statesOf(users) }
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    this.#store.announcePositionAfterCrash()
    // What is reported is not announced after a crash: a gateway whose call failed would miss it.
    await within(1000, 'gateways', this.#store.subscribers.delivered()).catch(() => undefined)
    await this.#tasks.run()
  }

  #state(): ConversationState | undefined {
    const { conversation } = this.#store
    return conversation === undefined || conversation.deletedAt !== undefined ? undefined : this.#stateOf(conversation)
  }

  #stateOf(conversation: ConversationRecord): ConversationState {
    const { members, log, amendments, messages, activity, sentTimes, uploads } = this.#store
    return {
      conversation,
      members,
      log,
      amendments,
      messages,
      readStates: activity,
      sentTimes,
      uploads,
      now: this.#clock.now(),
      write: this.#write,
      noteRemoval: this.#noteRemoval,
      noteRemovalOfAll: this.#noteRemovalOfAll,
    }
  }

  readonly #write = (conversation: ConversationRecord): void => this.#store.write(conversation)

  readonly #noteRemovalOfAll = (version: number): void => this.#store.inboxUpdater.noteRemovalOfAll(version)

  readonly #noteRemoval = (user: string, version: number): void => this.#store.inboxUpdater.noteRemoval(user, version)

  /** The subscribers of a deleted conversation leave it: under the same id there may soon be another. */
  #refuseAll(call: StreamCall): StreamAnswer {
    const answer = refuseAll(call)
    this.#store.subscribers.presence.note(call, answer.results)
    return answer
  }

  /** The caller receives what it lacks with its answer; other gateways are called. */
  #answer(call: StreamCall, state: ConversationState, applied: AppliedCommands, before: number): StreamAnswer {
    this.#noteChanges(applied)
    this.#store.subscribers.publish(this.#update(applied, before), call.gateway, call.request)
    if (applied.publications.length > 0 || applied.movesCursor === true) this.#tasks.alarm.runPrompt(this.#clock.now())

    const after = call.have ?? before
    const { behind, entries } =
      after >= before
        ? upToDate
        : missedBetween({ after, before, floor: state.log.floor() }, () =>
            state.log.range(after, before, sizes.recovered).map(toPublication),
          )
    const update = this.#update(applied, behind ? before : after)
    return {
      update: { ...update, publications: [...entries, ...update.publications] },
      behind,
      results: applied.results,
    }
  }

  #update({ publications, events: signals }: AppliedCommands, after: number): StreamUpdate {
    return { epoch: this.#store.conversation?.epoch ?? '', after, publications, events: signals }
  }

  /** Notes what is to be reported of a call, and sets the alarm in the same commit, in case the actor ends before it is reported. */
  #noteChanges({ publications, movesCursor }: AppliedCommands): void {
    const { members, activity } = this.#store
    let isUrgent = this.#store.publisher.isOn || this.#store.notifier.isOn
    for (const { offset, data, info } of publications) {
      const isMessage = data.startsWith(messageEntry)
      if (!isMessage || info === undefined) activity.note(offset, info?.user ?? '', data)
      else if (!data.startsWith(replyEntry)) members.wrote(info.user, offset)
      isUrgent ||= !isMessage || offset % gatherEntries === 0
    }
    if (publications.length > 0) this.#tasks.alarm.scheduleGathering(this.#clock.now(), gatherMs, isUrgent)
    if (movesCursor === true) this.#tasks.lookLater()
  }
}

import { DurableObject } from 'cloudflare:workers'
import {
  type AppliedCommands,
  type ConversationState,
  mayRead,
  mayWrite,
  toPublication,
} from '../../src/conversations/state.ts'
import { decideCreate, type NewConversation } from '../../src/conversations/create.ts'
import { historyWindow, pageBounds } from '../../src/protocol/history-window.ts'
import { applyCommands, refuseAll } from '../../src/conversations/apply-commands.ts'
import { viewOf } from '../../src/conversations/view.ts'
import type { Actor, Conversation as ConversationRecord } from '../../src/conversations/types.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { namesEtag } from '../../src/kernel/etag.ts'
import { randomToken } from '../../src/kernel/id.ts'
import type { UserStates } from '../../src/events/activity.ts'
import type { Ready } from '../../src/kernel/ready.ts'
import { encodeMessagePage, pageEtag } from '../../src/history/message-page.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { knownPage, otherAnswer, readPageUrl, wholePage } from '../../src/protocol/page-request.ts'
import { missedBetween } from '../../src/protocol/recover.ts'
import type { HistoryAnswer, HistoryQuery, StreamAnswer, StreamCall, StreamUpdate } from '../../src/protocol/stream.ts'
import type { Presence, PresenceForm } from '../../src/realtime/presence-table.ts'
import type { ConversationRpc, Created } from '../contracts.ts'
import { AlarmTasks } from '../shared/alarm-tasks.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Parking } from '../shared/parking.ts'
import { ConversationStore } from './conversation-store.ts'
import { acceptLink } from './link-server.ts'
import { PresenceNotifier } from './presence-notifier.ts'

/** How messages, edits and deletions begin: their authors have read what came before. */
const messageEntry = '{"type":"message'

/** What a caller lacks that has everything. */
const upToDate = { behind: false, entries: [] } as const

/** One conversation: stores its messages in order, publishes them to its subscribers, and writes them to Postgres and the inboxes later. */
export class Conversation extends DurableObject<Env> implements ConversationRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'conversation')
  readonly #tailEntries = loadConfig(this.env).tailEntries
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
  readonly #parking = new Parking(this.env, this.ctx.id.name ?? '')
  readonly #tasks = new AlarmTasks(this.#place.alarm, [
    {
      name: 'projection',
      isPending: () => this.#isPending((books, facts) => books.projection.isPending(facts)),
      run: () => this.#parking.run('projection', this.#store.projection.attempts, () => this.#project()),
      parkedUntil: () => this.#store.projection.attempts.parkedUntil,
      dueAt: () => {
        const { conversation, projection } = this.#store
        return conversation === undefined ? 0 : projection.dueAt(conversation)
      },
    },
    {
      name: 'inboxes',
      isPending: () => this.#isPending((books, facts) => books.inboxUpdater.isPending(facts)),
      run: () => this.#parking.run('inboxes', this.#store.inboxUpdater.attempts, () => this.#updateInboxes()),
      parkedUntil: () => this.#store.inboxUpdater.attempts.parkedUntil,
    },
    {
      name: 'cached pages',
      isPending: () => this.#store.cachedPages.isPending(),
      run: () => this.#store.cachedPages.run(),
    },
  ])

  /** Runs the commands of one gateway, or of one HTTP request, in order; the answer leaves once they are durable. */
  execute(call: StreamCall): StreamAnswer {
    const room = this.#state()
    if (room === undefined) return this.#refuseAll(call)

    const have = this.#store.log.top()
    const { version } = room.conversation
    const taken = applyCommands(room, call.commands)
    if (room.conversation.version !== version) this.#tasks.schedule(this.#clock.now(), 0)
    this.#store.subscribers.note(call, taken.results)
    const turn =
      taken.events.length === 0 ? taken : { ...taken, events: this.#presence.filter(taken.events, call.gateway) }
    const answer = this.#answer(call, room, turn, have)
    if (room.conversation.deletedAt !== undefined) this.#store.announcePosition()
    return answer
  }

  /**
   * Opens a link, a socket over which a gateway makes the same calls at less cost; or answers a page request with the body
   * of the HTTP answer, or with what `history` returns when the page is refused or has entries that are not held here.
   */
  override fetch(request: Request): Response {
    if (request.headers.has('upgrade')) return acceptLink(request, (call) => this.execute(call))
    const { actor, query, ifNoneMatch } = readPageUrl(request.url)
    const page = this.history(actor, query)
    if (page.kind === 'refused' || page.missing !== undefined)
      return new Response(JSON.stringify(page), { status: otherAnswer })
    const headers = { ETag: pageEtag(page) }
    return namesEtag(ifNoneMatch, headers.ETag)
      ? new Response(null, { status: knownPage, headers })
      : new Response(encodeMessagePage(page, query), { status: wholePage, headers })
  }

  /** Creates the conversation, or finds the existing one. Its creator's list shows it at once. */
  async create(wanted: NewConversation): Promise<Created | Refusal> {
    const decision = decideCreate(this.#store.conversation, wanted, randomToken(8), this.#clock.now())
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'created') {
      if (this.#store.conversation === undefined) this.#store = ConversationStore.create(this.ctx, this.env)
      this.#store.begin(decision.conversation, decision.members)
      this.#tasks.schedule(this.#clock.now(), 0)
      if (decision.members.length <= 50) await this.#updateInboxes().catch(() => undefined)
    }
    const view = viewOf(this.#stateOf(decision.conversation), wanted.createdBy)
    return { kind: 'conversation', view, made: decision.kind === 'created' }
  }

  /** Whether `actor` may write here, without writing. */
  admitsWriter(actor: Actor): { readonly kind: 'admitted' } | Refusal {
    const room = this.#state()
    return (
      (room === undefined ? refuse('notFound') : mayWrite(room.conversation, room.members, actor)) ?? {
        kind: 'admitted',
      }
    )
  }

  /** A page of the log: what is held here, and which seqs must be read from Postgres. */
  history(actor: Actor, query: HistoryQuery): HistoryAnswer {
    const room = this.#state()
    const denied = room === undefined ? refuse('permissionDenied') : mayRead(room.conversation, room.members, actor)
    if (room === undefined || denied !== undefined) return refuse('permissionDenied')
    const { epoch } = room.conversation
    const top = room.log.top()
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
        ? { missing: { first, last: Math.min(last, floor - 1), revision: this.#store.cachedPages.revision } }
        : {}),
      amendments: this.#store.amendments.between(first, last),
    }
  }

  /** The connections that are subscribed now, or how many there are. */
  presence(actor: Actor, form: PresenceForm): Ready<Presence | Refusal> {
    const room = this.#state()
    const denied = room === undefined ? refuse('permissionDenied') : mayRead(room.conversation, room.members, actor)
    if (denied !== undefined) return refuse('permissionDenied')
    return this.#store.subscribers.presence.read(form)
  }

  /** The states of those of `users` that are members; undefined when there is no conversation. */
  readStates(_users: readonly string[]): UserStates | undefined {
    return undefined
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    this.#store.announcePositionAfterCrash()
    if (this.#store.conversation === undefined) return
    const now = this.#clock.now()
    const { projection, inboxUpdater } = this.#store
    await Promise.all([
      this.#parking.report('projection', projection.attempts, now),
      this.#parking.report('inboxes', inboxUpdater.attempts, now),
      this.#tasks.run(now, this.#quietMs()),
    ])
  }

  #state(): ConversationState | undefined {
    const { conversation } = this.#store
    return conversation === undefined || conversation.deletedAt !== undefined ? undefined : this.#stateOf(conversation)
  }

  #stateOf(conversation: ConversationRecord): ConversationState {
    const { members, log, amendments, summary } = this.#store
    return {
      conversation,
      members,
      log,
      amendments,
      summary,
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
  #answer(call: StreamCall, room: ConversationState, turn: AppliedCommands, before: number): StreamAnswer {
    if (turn.publications.length > 0) {
      this.#noteReaders(turn)
      this.#scheduleTasks()
    } else if (turn.changesInboxes === true && this.#store.inboxUpdater.isPending(room.conversation))
      this.#scheduleTasks()
    this.#store.subscribers.publish(this.#update(turn, before), call.gateway, call.request)

    const after = call.have ?? before
    const { behind, entries } =
      after >= before
        ? upToDate
        : missedBetween({ after, before, floor: room.log.floor() }, () =>
            room.log.range(after, before, sizes.recovered).map(toPublication),
          )
    const update = this.#update(turn, behind ? before : after)
    return { update: { ...update, publications: [...entries, ...update.publications] }, behind, results: turn.results }
  }

  #update({ publications, events: signals }: AppliedCommands, after: number): StreamUpdate {
    return { epoch: this.#store.conversation?.epoch ?? '', after, publications, events: signals }
  }

  #noteReaders({ publications }: AppliedCommands): void {
    for (const { offset, data, info } of publications)
      if (info !== undefined && data.startsWith(messageEntry)) this.#store.members.wrote(info.user, offset)
  }

  #scheduleTasks(): void {
    this.#tasks.schedule(this.#clock.now(), this.#quietMs())
  }

  /** How long a burst gathers before it is written to Postgres and sent to the inboxes: longer with more members. */
  #quietMs(): number {
    return Math.min(10_000, Math.max(500, this.#store.members.count() * 10))
  }

  #isPending(asks: (books: ConversationStore, conversation: ConversationRecord) => boolean): boolean {
    const { conversation } = this.#store
    return conversation !== undefined && asks(this.#store, conversation)
  }

  async #project(): Promise<void> {
    const { projection, conversation } = this.#store
    if (conversation === undefined) return
    await projection.run(() => this.#store.conversation ?? conversation)
    // A moment later, so that a reader that read a page just before it was changed has put it into the cache by then.
    if (this.#store.cachedPages.isPending()) this.#tasks.schedule(this.#clock.now(), this.#quietMs())
    this.#store.prune(this.#tailEntries)
  }

  async #updateInboxes(): Promise<void> {
    const { inboxUpdater: newsletter, conversation } = this.#store
    if (conversation !== undefined) await newsletter.run(() => this.#store.conversation ?? conversation)
  }
}

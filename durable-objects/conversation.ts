import { DurableObject } from 'cloudflare:workers'
import { mayManage, mayRead, mayWrite } from '../src/conversations/access.ts'
import { decideCreate, type NewConversation } from '../src/conversations/create.ts'
import { decideChange, type Change, type ChangeDecision } from '../src/conversations/membership.ts'
import { historyWindow, pageBounds } from '../src/protocol/history-window.ts'
import { nothingHere, record, takeTurn, toPublication, type Room, type Turn } from '../src/conversations/turn.ts'
import type { Actor, Conversation as ConversationFacts, Member } from '../src/conversations/types.ts'
import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { randomToken } from '../src/kernel/id.ts'
import { fitting } from '../src/protocol/answer-size.ts'
import { refuse, type Refusal } from '../src/protocol/errors.ts'
import { sizes } from '../src/protocol/limits.ts'
import { missedBetween } from '../src/protocol/recover.ts'
import type { ClientInfo } from '../src/protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery, StreamAnswer, StreamCall, StreamUpdate } from '../src/protocol/stream.ts'
import { Aftermath } from './parts/aftermath.ts'
import { ConversationBooks } from './parts/conversation-books.ts'
import { acceptLink } from './parts/link-end.ts'
import { Usher } from './parts/usher.ts'

/** A conversation as its readers may see it. */
export interface ConversationView {
  readonly kind: 'conversation'
  readonly conversation: ConversationFacts
  readonly last: number
  readonly members: readonly Member[]
  readonly memberCount: number
  readonly read: number
}

/** One conversation: gives each message its place, remembers who listens, and owes Postgres and the inboxes the rest. */
export class Conversation extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #tailEntries = loadConfig(this.env).tailEntries
  #books = ConversationBooks.open(this.ctx, this.env)
  readonly #usher = new Usher({
    audience: () => this.#books.audience,
    tell: (signals) =>
      this.#announce({ results: [], publications: [], signals: [...signals] }, this.#books.log.top(), null),
    clock: this.#clock,
    graceMs: loadConfig(this.env).presenceGraceMs,
  })
  readonly #aftermath = new Aftermath(this.ctx.storage, [
    {
      name: 'projection',
      owed: () => this.#owes((books, facts) => books.projection.owes(facts)),
      pay: () => this.#project(),
    },
    {
      name: 'inboxes',
      owed: () => this.#owes((books, facts) => books.newsletter.owes(facts)),
      pay: () => this.#tellInboxes(),
    },
    { name: 'cached pages', owed: () => this.#books.cachedPages.owes(), pay: () => this.#books.cachedPages.run() },
  ])

  /** Runs the commands of one gateway, or of one HTTP request, in order; the answer leaves once they are durable. */
  execute(call: StreamCall): StreamAnswer {
    const room = this.#room()
    if (room === undefined) return nothingHere(call)

    const have = this.#books.log.top()
    const taken = takeTurn(room, call.commands)
    this.#noteListeners(call, taken)
    const turn =
      taken.signals.length === 0 ? taken : { ...taken, signals: this.#usher.sort(taken.signals, call.gateway) }
    return this.#answer(call, room, turn, have)
  }

  /** A gateway with much to say asks for a link: a socket that carries the same calls for less. */
  override fetch(): Response {
    return acceptLink((call) => this.execute(call))
  }

  /** Makes the conversation, or finds the one that is. Its creator's list shows it at once. */
  async create(wanted: NewConversation): Promise<(ConversationView & { readonly made: boolean }) | Refusal> {
    const decision = decideCreate(this.#books.conversation, wanted, randomToken(8), this.#clock.now())
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'created') {
      if (this.#books.conversation === undefined) this.#books = ConversationBooks.found(this.ctx, this.env)
      this.#books.begin(decision.conversation, decision.members)
      this.#owe(decision.conversation)
      if (decision.members.length <= 50) await this.#tellInboxes().catch(() => undefined)
    }
    return { ...this.#view(decision.conversation, wanted.createdBy), made: decision.kind === 'created' }
  }

  describe(actor: Actor): ConversationView | Refusal {
    const room = this.#room()
    if (room === undefined) return refuse('notFound')
    return mayRead(room.conversation, room.members, actor) ?? this.#view(room.conversation, actor.user)
  }

  /** Whether `actor` may write here, without writing. */
  admitsWriter(actor: Actor): { readonly kind: 'admitted' } | Refusal {
    const room = this.#room()
    return (
      (room === undefined ? refuse('notFound') : mayWrite(room.conversation, room.members, actor)) ?? {
        kind: 'admitted',
      }
    )
  }

  /** Up to `limit` members after `cursor`, by user id. */
  listMembers(
    actor: Actor,
    cursor: string,
    limit: number,
  ): { readonly kind: 'members'; readonly members: readonly Member[] } | Refusal {
    const room = this.#room()
    const denied = room === undefined ? refuse('notFound') : mayRead(room.conversation, room.members, actor)
    if (denied !== undefined) return denied
    const members = [...this.#books.members.all()]
      .filter(({ user }) => user > cursor)
      .sort((a, b) => (a.user < b.user ? -1 : 1))
    return { kind: 'members', members: members.slice(0, limit) }
  }

  /** Adds, removes, promotes or renames, tells everyone, and takes those who left off the air. */
  change(actor: Actor, change: Change): ConversationView | Refusal {
    const room = this.#room()
    if (room === undefined) return refuse('notFound')
    const decision = decideChange(room, actor, change)
    if (decision.kind === 'refused') return decision
    if (decision.rows.length > 0) this.#commitChange(room, decision, change)
    return this.#view(this.#books.conversation ?? room.conversation, actor.user)
  }

  /** Deletes the conversation for everyone: its owner's or the tenant's right. Postgres and inboxes follow. */
  remove(actor: Actor): Refusal | { readonly kind: 'deleted' } {
    const room = this.#room()
    const denied =
      room === undefined ? refuse('notFound') : mayManage(room.conversation, room.members, actor, ['owner'])
    if (room === undefined || denied !== undefined) return denied ?? refuse('notFound')

    const deleted = { ...room.conversation, deletedAt: room.now, version: room.conversation.version + 1 }
    this.#books.write(deleted)
    const users = [...this.#books.members.all()].map(({ user }) => user)
    for (const user of users) this.#books.newsletter.noteRemoval(user, deleted.version)
    this.#owe(deleted)
    const before = { epoch: deleted.epoch, offset: room.log.top() + 1 }
    this.#announce(
      { results: [], publications: [], signals: users.map((user) => ({ kind: 'removed', user, before })) },
      room.log.top(),
      null,
    )
    this.#books.tellWhereItStands()
    return { kind: 'deleted' }
  }

  /** A page of the log: what is held here, and which seqs must be read from Postgres. */
  history(actor: Actor, query: HistoryQuery): HistoryAnswer {
    const room = this.#room()
    const denied = room === undefined ? refuse('permissionDenied') : mayRead(room.conversation, room.members, actor)
    if (room === undefined || denied !== undefined) return refuse('permissionDenied')
    const { epoch } = room.conversation
    const top = room.log.top()
    const read = historyWindow(query, { epoch, top })
    if (read.kind === 'refused') return read

    const { first, last } = pageBounds(read.window)
    const floor = this.#books.log.floor()
    const held = this.#books.log.range(Math.max(first, floor) - 1, last, sizes.historyPage).map(toPublication)
    const asked = query.reverse ? held.toReversed() : held
    const publications = fitting(asked)
    // Before a page that was cut at its old end nothing may follow.
    const endsHere = query.reverse && publications.length < asked.length
    return {
      kind: 'page',
      epoch,
      top,
      publications,
      ...(first < floor && first <= last && !endsHere ? { missing: { first, last: Math.min(last, floor - 1) } } : {}),
      amendments: this.#books.log.amendments(first, last),
    }
  }

  /** Everyone who is here now. */
  async presence(
    actor: Actor,
  ): Promise<{ readonly kind: 'presence'; readonly clients: readonly ClientInfo[] } | Refusal> {
    const room = this.#room()
    const denied = room === undefined ? refuse('permissionDenied') : mayRead(room.conversation, room.members, actor)
    if (denied !== undefined) return refuse('permissionDenied')
    return { kind: 'presence', clients: await this.#books.audience.roster() }
  }

  override async alarm(): Promise<void> {
    this.#books.remindListeners()
    if (this.#books.conversation !== undefined) await this.#aftermath.run(this.#clock.now(), this.#quietMs())
  }

  #room(): Room | undefined {
    const { conversation, members, log } = this.#books
    if (conversation === undefined || conversation.deletedAt !== undefined) return undefined
    return { conversation, members, log, now: this.#clock.now() }
  }

  /** A gateway is an audience from its first successful subscribe until its last listener left, or when it says so. */
  #noteListeners({ gateway, have, commands }: StreamCall, turn: Turn): void {
    if (gateway === null) return
    if (have !== null) this.#books.audience.add(gateway)
    commands.forEach((command, index) => {
      if (turn.results[index]?.kind === 'subscribed') this.#books.audience.add(gateway)
      if (command.kind === 'leave' && command.last) this.#books.audience.drop(gateway)
    })
  }

  /** What the caller lacks travels with its answer; other gateways are called. */
  #answer(call: StreamCall, room: Room, turn: Turn, before: number): StreamAnswer {
    if (turn.publications.length > 0) {
      this.#noteReaders(turn)
      this.#owe(room.conversation)
    } else if (call.commands.some(({ kind }) => kind === 'read') && this.#books.newsletter.owes(room.conversation))
      this.#owe(room.conversation)
    this.#announce(turn, before, call.gateway)

    const after = call.have ?? before
    const { behind, entries } = missedBetween({ after, before, floor: room.log.floor() }, () =>
      room.log.range(after, before, sizes.recovered).map(toPublication),
    )
    const update = this.#update(turn, behind ? before : after)
    return { update: { ...update, publications: [...entries, ...update.publications] }, behind, results: turn.results }
  }

  #announce(turn: Turn, before: number, except: string | null): void {
    this.#books.audience.tell(this.#update(turn, before), except)
  }

  #update({ publications, signals }: Turn, after: number): StreamUpdate {
    return { epoch: this.#books.conversation?.epoch ?? '', after, publications, signals }
  }

  #noteReaders({ publications }: Turn): void {
    for (const { offset, info } of publications) if (info !== undefined) this.#books.members.wrote(info.user, offset)
  }

  #commitChange(room: Room, decision: Extract<ChangeDecision, { kind: 'accepted' }>, change: Change): void {
    const before = room.log.top()
    const turn: Turn = { results: [], publications: [], signals: [] }
    const name = change.kind === 'rename' ? change.name : room.conversation.name
    const conversation = { ...room.conversation, name, version: room.conversation.version + 1 }
    this.#books.write(conversation)
    for (const row of decision.rows) record(room, row, turn)
    for (const member of decision.members) this.#books.members.put(member)
    for (const user of decision.leaves) this.#dismiss(user, conversation, turn)
    this.#owe(conversation)
    this.#announce(turn, before, null)
  }

  /** Whoever left hears nothing more, also on sockets opened before. */
  #dismiss(user: string, { epoch, version }: ConversationFacts, turn: Turn): void {
    this.#books.members.remove(user)
    this.#books.newsletter.noteRemoval(user, version)
    turn.signals.push({ kind: 'removed', user, before: { epoch, offset: this.#books.log.top() } })
  }

  #view(conversation: ConversationFacts, user: string): ConversationView {
    const { log, members } = this.#books
    const read = members.get(user)?.read ?? 0
    return {
      kind: 'conversation',
      conversation,
      last: log.top(),
      members: members.some(100),
      memberCount: members.count(),
      read,
    }
  }

  #owe(conversation: ConversationFacts): void {
    const first = conversation.version > this.#books.facts.number('toldVersion')
    this.#aftermath.owe(this.#clock.now(), first ? 0 : this.#quietMs())
  }

  /** How long a burst gathers before Postgres and the inboxes hear of it: longer the more members have to be told. */
  #quietMs(): number {
    return Math.min(10_000, Math.max(500, this.#books.members.count() * 10))
  }

  #owes(asks: (books: ConversationBooks, conversation: ConversationFacts) => boolean): boolean {
    const { conversation } = this.#books
    return conversation !== undefined && asks(this.#books, conversation)
  }

  async #project(): Promise<void> {
    const { projection, conversation } = this.#books
    if (conversation === undefined) return
    await projection.run(() => this.#books.conversation ?? conversation)
    // A moment later, so that whoever read a page just before it was changed has put it into the cache by then.
    if (this.#books.cachedPages.owes()) this.#aftermath.owe(this.#clock.now(), this.#quietMs())
    this.#books.prune(this.#tailEntries)
  }

  async #tellInboxes(): Promise<void> {
    const { newsletter, conversation } = this.#books
    if (conversation !== undefined) await newsletter.run(() => this.#books.conversation ?? conversation)
  }
}

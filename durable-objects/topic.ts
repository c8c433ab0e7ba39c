import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../src/env.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { historyWindow, pageBounds } from '../src/protocol/history-window.ts'
import { fitting } from '../src/protocol/answer-size.ts'
import { refuse } from '../src/protocol/errors.ts'
import { sizes } from '../src/protocol/limits.ts'
import { missedBetween } from '../src/protocol/recover.ts'
import type { ClientInfo } from '../src/protocol/replies.ts'
import type {
  HistoryAnswer,
  HistoryQuery,
  StreamAnswer,
  StreamCall,
  StreamCommand,
  StreamUpdate,
  TopicRules,
} from '../src/protocol/stream.ts'
import { decideChore } from '../src/topics/housekeeping.ts'
import { Recent } from '../src/topics/recent.ts'
import { takeTurn, type Turn } from '../src/topics/turn.ts'
import { keptMs } from './parts/publish-keys.ts'
import { TopicBooks, type TopicHome } from './parts/topic-books.ts'

/** How soon after a publication somebody looks whether it was told. */
const remindMs = 5000

/**
 * One plain topic of a tenant: passes on what is published to whoever listens, and keeps as much of it as its
 * namespace says. Who may do what was decided where the caller's token is known; a topic knows no users.
 */
export class Topic extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #home: TopicHome = { ctx: this.ctx, env: this.env, emptied: () => this.#noteIdle() }
  #books = TopicBooks.open(this.#home)
  readonly #recent = new Recent()
  #armedFor = Infinity
  /** Whether this life knows that no alarm of an earlier one is due before its own. */
  #knowsAlarm = false
  /** Whether this life told its listeners where the stream stands. */
  #hasTold = false

  /** Runs the commands of one gateway, or of the tenant's server, in order; the answer leaves once they are durable. */
  execute(call: StreamCall): StreamAnswer {
    this.#books.learn(call.rules)
    if (this.#mustKeep(call)) this.#found()
    const before = this.#books.log.top()
    const turn = this.#take(call)
    this.#noteListeners(call, turn)
    this.#books.audience.tell(this.#update(turn, before), call.gateway)
    if (turn.publications.length > 0) this.#noteNews(call.gateway)
    // Where nothing else is kept nobody else would come to drop them.
    if (call.commands.some(hasKey)) this.#tidyBy(this.#clock.now() + keptMs)
    return this.#answer(call, turn, before)
  }

  /** A page of what is kept, and where the stream stands. */
  history(rules: TopicRules, query: HistoryQuery): HistoryAnswer {
    this.#books.learn(rules)
    if (this.#books.rules.historySize === 0) return refuse('notAvailable', 'this namespace keeps no history')
    this.#found()
    const { epoch, log } = this.#books
    const top = log.top()
    const read = historyWindow(query, { epoch, top })
    if (read.kind === 'refused') return read

    const floor = log.floor(this.#clock.now())
    const { first, last } = pageBounds({ ...read.window, after: Math.max(read.window.after, floor - 1) })
    const held = log.range(Math.max(first, floor) - 1, last, sizes.historyPage)
    const publications = fitting(query.reverse ? held.toReversed() : held)
    return { kind: 'page', epoch, top, publications, amendments: [] }
  }

  /** Forgets what was said; its numbers are not used again. */
  removeHistory(): void {
    this.#books.log.clear()
  }

  /** Every connection that listens now. */
  async presence(): Promise<ClientInfo[]> {
    return await this.#books.audience.roster()
  }

  override async alarm(): Promise<void> {
    this.#armedFor = Infinity
    this.#knowsAlarm = true
    if (!this.#books.exist) return
    this.#remind()
    const now = this.#clock.now()
    const held = [this.#books.log.expire(now), this.#books.keys.expire(now)].filter((at) => at !== undefined)
    if (held.length === 0) this.#noteSilence(now)
    const chore = decideChore({
      now,
      expiresAt: held.length === 0 ? undefined : Math.min(...held),
      isHeard: this.#books.audience.size > 0,
      keepsHistory: this.#books.rules.historySize > 0,
      idleSince: this.#books.facts.number('idleSince'),
    })
    if (chore.kind === 'again') this.#tidyBy(chore.at)
    if (chore.kind === 'forget') await this.#forget()
  }

  #take({ commands }: StreamCall): Turn {
    const { epoch, rules, log, keys, version } = this.#books
    return takeTurn({ epoch, rules, log, keys, version, recent: this.#recent, now: this.#clock.now() }, commands)
  }

  /** What passes by without history needs no disk; a listener does, who must still be told after a loss of memory. */
  #mustKeep({ gateway, have, commands }: StreamCall): boolean {
    const keeps = this.#books.rules.historySize > 0
    if (gateway !== null && have !== null) return true
    return commands.some(
      (command) =>
        (command.kind === 'subscribe' && (keeps || gateway !== null)) ||
        (command.kind === 'publish' && keeps) ||
        hasKey(command),
    )
  }

  /** Old entries have to go in time, and listeners to hear of new ones, also if this life ends before they were told. */
  #noteNews(except: string | null): void {
    const { audience, rules } = this.#books
    const now = this.#clock.now()
    this.#hasTold = true
    this.#tidyBy(now + rules.historyTtlSeconds * 1000)
    if (audience.reachesBeyond(except)) this.#tidyBy(now + remindMs)
  }

  /** A life before this one may have died between writing and telling: whoever misses something then asks for it. */
  #remind(): void {
    const { audience, log, epoch } = this.#books
    if (!this.#hasTold && epoch !== '' && log.top() > 0) audience.remind(epoch, log.top())
    this.#hasTold = true
  }

  /** A gateway is an audience from its first subscriber until its last one left, or when it says so; the last one to go is noted. */
  #noteListeners({ gateway, have, commands }: StreamCall, turn: Turn): void {
    if (gateway === null) return
    const { audience } = this.#books
    if (have !== null) audience.add(gateway)
    commands.forEach((command, index) => {
      if (turn.results[index]?.kind === 'subscribed') audience.add(gateway)
      if (command.kind === 'leave' && command.last) audience.drop(gateway)
    })
  }

  /** What the caller lacks travels with its answer; other gateways are called. */
  #answer({ have }: StreamCall, turn: Turn, before: number): StreamAnswer {
    const { log, epoch } = this.#books
    const after = epoch === '' ? before : (have ?? before)
    const { behind, entries } = missedBetween({ after, before, floor: log.floor(this.#clock.now()) }, () =>
      log.range(after, before, sizes.recovered),
    )
    const update = this.#update(turn, behind ? before : after)
    return { update: { ...update, publications: [...entries, ...update.publications] }, behind, results: turn.results }
  }

  /** Where nothing is kept everything passes by at place 0, whatever the log once counted. */
  #update({ publications, signals }: Turn, after: number): StreamUpdate {
    const { epoch } = this.#books
    return { epoch, after: epoch === '' ? 0 : after, publications, signals }
  }

  #found(): void {
    if (this.#books.exist) return
    this.#books = TopicBooks.found(this.#home, this.#books.rules)
    this.#noteIdle()
  }

  #noteIdle(): void {
    if (!this.#books.exist) return
    const now = this.#clock.now()
    this.#books.facts.set('idleSince', now)
    const keepsHistory = this.#books.rules.historySize > 0
    const chore = decideChore({ now, expiresAt: undefined, isHeard: false, keepsHistory, idleSince: now })
    if (chore.kind === 'again') this.#tidyBy(chore.at)
  }

  /** All that was said is gone by now: from here on it is idle, unless it was already. */
  #noteSilence(now: number): void {
    const { facts, log } = this.#books
    if (facts.number('idleTop') === log.top()) return
    facts.set('idleTop', log.top())
    facts.set('idleSince', now)
  }

  /**
   * The earliest wish counts; what has expired is not shown, however late the alarm is. A life before ours may have set
   * one that must not be put off: the first of ours comes soon enough for whatever that was for.
   */
  #tidyBy(at: number): void {
    const soon = this.#knowsAlarm ? at : Math.min(at, this.#clock.now() + remindMs)
    if (this.#armedFor <= soon) return
    this.#armedFor = soon
    void this.ctx.storage.setAlarm(soon)
  }

  async #forget(): Promise<void> {
    await this.ctx.storage.deleteAll()
    this.#books = TopicBooks.open(this.#home)
  }
}

const hasKey = (command: StreamCommand): boolean => command.kind === 'publish' && command.idempotencyKey !== undefined

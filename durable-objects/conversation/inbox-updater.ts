import type { Conversation } from '../../src/conversations/types.ts'
import { cutText } from '../../src/kernel/text-transforms.ts'
import type { Env } from '../../src/env.ts'
import type { Preview } from '../../src/inbox/entry.ts'
import { membersPerStep, notesNumberOf, type NotesUpdate, type SharedNews } from '../../src/inbox/notes.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { inboxNotesNumbered, inboxOf } from '../address.ts'
import type { Settings } from '../shared/settings.ts'
import type { MemberTable } from './member-table.ts'
import type { MessageLog } from './message-log.ts'
import type { LogSummary } from './log-summary.ts'
import { inSteps, type Pacing } from '../shared/pace.ts'
import { TaskAttempts } from '../shared/task-attempts.ts'

/** A conversation with more members counts its runs, so that work that ends the process is parked. */
export const heavyMembers = 200

/** A member, or a user that is no member since `version`. */
type Item = { readonly user: string; readonly version?: number }

/**
 * Sends the state of the conversation to its members' inboxes: always the whole state, so that repeats do no harm. The
 * tenant's notes actors take it for all members in few calls; they answer which members are connected, and only the
 * inboxes of those are called. A watermark says up to which seq all inboxes know the log; a burst of messages is one run.
 */
export class InboxUpdater {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #log: MessageLog
  readonly #summary: LogSummary
  readonly #members: MemberTable
  readonly #clock: Clock
  /** Notes actors whose members all have an open inbox, as of `#version`: these inboxes are called without asking first. */
  readonly #allOpen = new Map<number, readonly string[]>()
  readonly attempts: TaskAttempts
  #version = 0
  #running: Promise<void> = Promise.resolve()

  constructor(
    env: Env,
    sql: SqlStorage,
    settings: Settings,
    messages: MessageLog,
    summary: LogSummary,
    members: MemberTable,
    clock: Clock,
  ) {
    this.#env = env
    this.#sql = sql
    this.#settings = settings
    this.#log = messages
    this.#summary = summary
    this.#members = members
    this.#clock = clock
    this.attempts = new TaskAttempts(settings, 'inboxes', clock)
  }

  /** The seq up to which every member was told. */
  get watermark(): number {
    return this.#settings.number('told')
  }

  /** Nothing up to `seq` has to be told any more. */
  skip(seq: number): void {
    if (seq > this.watermark) this.#settings.set('told', seq)
  }

  /** The conversation has other members than the notes actors know. */
  beginAnew(): void {
    this.#settings.set('noted', 0)
    this.#settings.set('notedTo', '')
    this.#allOpen.clear()
  }

  isPending(conversation: Conversation): boolean {
    if (this.watermark < this.#log.top() || this.#settings.number('toldVersion') < conversation.version) return true
    return this.#members.untold().length > 0
  }

  /** A user left: the inbox must forget the conversation, also if that takes several tries. */
  noteRemoval(user: string, version: number): void {
    this.#sql.exec(
      'INSERT INTO removals (user, version) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET version = excluded.version',
      user,
      version,
    )
  }

  /** Every member left, since the conversation was deleted. */
  noteRemovalOfAll(version: number): void {
    this.#sql.exec(
      `INSERT INTO removals (user, version) SELECT user, ? FROM members WHERE true
       ON CONFLICT (user) DO UPDATE SET version = excluded.version`,
      version,
    )
  }

  /** Sends everything that is pending, one run after another. Throws when a notes actor or an inbox was unreachable; the next run repeats that. */
  run(conversation: () => Conversation): Promise<void> {
    const run = async () => {
      try {
        await this.#run(conversation())
      } finally {
        this.attempts.end()
      }
    }
    this.#running = this.#running.then(run, run)
    return this.#running
  }

  async #run(conversation: Conversation): Promise<void> {
    const top = this.#log.top()
    const isNews = this.watermark < top || this.#settings.number('toldVersion') < conversation.version
    if (this.#version !== conversation.version) this.#allOpen.clear()
    this.#version = conversation.version
    const isDeleted = conversation.deletedAt !== undefined
    const round: Round = {
      conversation,
      news: this.#updates(conversation, top),
      isDeleted,
      since: this.#log.range(this.watermark, top, 1)[0]?.at ?? conversation.createdAt,
      open: new Map(),
    }
    const changed = isDeleted ? [] : this.#members.changed()
    const failures: unknown[] = []
    const attempt = async (part: Promise<void>) => await part.catch((thrown: unknown) => void failures.push(thrown))

    await attempt(this.#note(round, changed, isNews))
    await attempt(this.#tellDirectly(round, isNews ? undefined : new Set(changed)))
    if (failures.length > 0) {
      this.#allOpen.clear()
      throw failures[0]
    }
    this.#settings.set('told', Math.max(top, this.watermark))
    this.#settings.set('toldVersion', conversation.version)
  }

  /** Calls the notes actors: for all members the first time, then for those that changed, and with the new state where any has a member. */
  async #note(round: Round, changed: readonly string[], isNews: boolean): Promise<void> {
    const removals = this.#removals()
    const isFirst = !round.isDeleted && this.#settings.number('noted') === 0
    await this.#noteItems(round, [...removals, ...(isFirst ? [] : changed.map((user) => ({ user })))])
    if (isFirst) await this.#noteAll(round)
    if (!isNews || round.isDeleted) return
    const numbers = new Set([...this.#members.all()].map(({ user }) => notesNumberOf(user)))
    await inSteps(
      [...numbers].filter((number) => !round.open.has(number)),
      this.#paced(round),
      async (number) => {
        const known = this.#allOpen.get(number)
        if (known !== undefined) round.open.set(number, known)
        else await this.#update(round, number, [])
      },
    )
  }

  /** Sends all members, in the order of their ids: a run that was cut off continues where it stopped. */
  async #noteAll(round: Round): Promise<void> {
    const done = this.#settings.get('notedTo') ?? ''
    const users = [...this.#members.all()].map(({ user }) => user).filter((user) => user > done)
    users.sort((a, b) => (a < b ? -1 : 1))
    for (let first = 0; first < users.length; first += membersPerStep) {
      const step = users.slice(first, first + membersPerStep)
      await this.#noteItems(
        round,
        step.map((user) => ({ user })),
      )
      this.#settings.set('notedTo', step.at(-1) ?? '')
    }
    this.#settings.set('noted', 1)
  }

  async #noteItems(round: Round, items: readonly Item[]): Promise<void> {
    const steps = Math.ceil(Math.max(items.length, this.#members.count()) / membersPerStep)
    for (let first = 0; first < items.length; first += membersPerStep) {
      const step = items.slice(first, first + membersPerStep)
      const byNumber = [...Map.groupBy(step, ({ user }) => notesNumberOf(user))]
      const pacing = this.#paced(round)
      const calls = steps > 1 && items.length >= membersPerStep ? steps * byNumber.length : byNumber.length
      await inSteps(byNumber, { ...pacing, calls }, async ([number, theirs]) => {
        await this.#update(round, number, theirs)
      })
    }
  }

  async #update(round: Round, number: number, items: readonly Item[]): Promise<void> {
    const { conversation, isDeleted, news } = round
    const reads = new Map<string, number>()
    if (!isDeleted)
      for (const { user, version } of items) {
        const member = version === undefined ? this.#members.get(user) : undefined
        if (member !== undefined) reads.set(user, member.read)
      }
    const removed = items.flatMap(({ user, version }) => (version === undefined ? [] : [{ user, version }]))
    const update: NotesUpdate = {
      conversation: conversation.id,
      news: isDeleted ? null : news,
      members: [...reads].map(([user, read]) => ({ user, read })),
      removed,
    }
    const { open, allOpen } = await inboxNotesNumbered(this.#env, conversation.tenant, number).update(update)
    round.open.set(number, [...(round.open.get(number) ?? []), ...open])
    if (allOpen) this.#allOpen.set(number, open)
    else this.#allOpen.delete(number)
    const directly = new Set(open)
    for (const { user, version } of removed) if (!directly.has(user)) this.#removed(user, version)
    for (const user of reads.keys()) if (directly.has(user)) reads.delete(user)
    this.#members.flush(reads)
  }

  /** Calls the inboxes of connected users; only those in `only` when nothing but their cursors moved. */
  async #tellDirectly(round: Round, only: ReadonlySet<string> | undefined): Promise<void> {
    const { conversation, news, isDeleted } = round
    const removals = new Map(this.#removals().map(({ user, version }) => [user, version]))
    const users = new Set([...round.open.values()].flat())
    const told = [...users].filter((user) => {
      if (removals.has(user)) return true
      return !isDeleted && this.#members.get(user) !== undefined && (only?.has(user) ?? true)
    })
    await inSteps(told, this.#paced(round), async (user) => {
      const inbox = inboxOf(this.#env, conversation.tenant, user)
      const version = removals.get(user)
      if (version !== undefined) {
        await inbox.remove(conversation.id, version)
        this.#removed(user, version)
      }
      const read = this.#members.get(user)?.read
      if (isDeleted || read === undefined) return
      const isOpen = await inbox.advance({ ...news, read })
      if (!isOpen) this.#allOpen.clear()
      this.#members.flush(new Map([[user, read]]))
    })
  }

  #paced({ since }: Round): Pacing {
    const isHeavy = this.#members.count() > heavyMembers
    return { clock: this.#clock, since, ...(isHeavy ? { begun: () => this.attempts.begin() } : {}) }
  }

  #removals(): { readonly user: string; readonly version: number }[] {
    return this.#sql.exec<{ user: string; version: number }>('SELECT user, version FROM removals').toArray()
  }

  #removed(user: string, version: number): void {
    this.#sql.exec('DELETE FROM removals WHERE user = ? AND version = ?', user, version)
  }

  #updates(conversation: Conversation, top: number): SharedNews {
    const newest = this.#log.range(top - 1, top, 1)[0]
    const preview = this.#summary.newest()
    return {
      conversation: conversation.id,
      type: conversation.type,
      name: conversation.name,
      last: top,
      at: newest?.at ?? conversation.createdAt,
      preview: preview === null ? null : toPreview(preview),
      uncounted: this.#summary.uncounted(),
      members: this.#members.some(10).map(({ user }) => user),
      memberCount: this.#members.count(),
      version: conversation.version,
    }
  }
}

/** One run: the state it sends, since when it is pending, and the users with open inboxes by notes actor. */
interface Round {
  readonly conversation: Conversation
  readonly news: SharedNews
  readonly isDeleted: boolean
  readonly since: number
  readonly open: Map<number, readonly string[]>
}

const previewLength = 140

const toPreview = ({ user, text }: Preview): Preview => ({ user, text: cutText(text, previewLength) })

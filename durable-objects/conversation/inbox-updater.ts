import type { Conversation } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import type { ConversationActivity } from '../../src/events/activity.ts'
import { membersPerStep, notesNumberOf, type NotesUpdate, type SharedUpdate } from '../../src/inbox/notes.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { inboxNotesNumbered, inboxOf } from '../address.ts'
import type { Settings } from '../shared/settings.ts'
import type { MemberTable } from './member-table.ts'
import type { ActivityUpdater } from './activity-updater.ts'
import { inSteps, type Pacing } from '../shared/pace.ts'
import { TaskAttempts } from '../shared/task-attempts.ts'

/** A conversation with more members counts its runs, so that work that ends the process is parked. */
export const heavyMembers = 200

/** A member, or a user that is no member since `version`. */
type Item = { readonly user: string; readonly version?: number }

/**
 * Tells the inboxes of users that joined or left, with the state of the conversation, so that repeats do no harm. The
 * tenant's notes actors take it for all of them in few calls; they answer which users are connected, and only the
 * inboxes of those are called.
 */
export class InboxUpdater {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #members: MemberTable
  readonly #activity: ActivityUpdater
  readonly #clock: Clock
  /** How many users left without their inbox or notes actor being updated yet. */
  #removed: number
  readonly attempts: TaskAttempts
  #running: Promise<void> = Promise.resolve()

  constructor(
    env: Env,
    sql: SqlStorage,
    settings: Settings,
    members: MemberTable,
    activity: ActivityUpdater,
    clock: Clock,
    exists: boolean,
  ) {
    this.#env = env
    this.#sql = sql
    this.#settings = settings
    this.#members = members
    this.#activity = activity
    this.#clock = clock
    this.#removed = exists ? this.#removals().length : 0
    this.attempts = new TaskAttempts(settings, 'inboxes', clock)
  }

  /** The conversation has other members than the notes actors know. */
  beginAnew(): void {
    this.#settings.set('noted', 0)
    this.#settings.set('notedTo', '')
  }

  isPending(conversation: Conversation): boolean {
    if (this.#removed > 0) return true
    return conversation.deletedAt === undefined && (!this.#isNoted || this.#members.newcomers().length > 0)
  }

  /** Whether the notes actors know the members with which the conversation began. */
  get #isNoted(): boolean {
    return this.#settings.number('noted') !== 0
  }

  /** A user left: the inbox must forget the conversation, also if that takes several tries. */
  noteRemoval(user: string, version: number): void {
    this.#sql.exec(
      'INSERT INTO removals (user, version) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET version = excluded.version',
      user,
      version,
    )
    this.#removed++
  }

  /** Every member left, since the conversation was deleted. */
  noteRemovalOfAll(version: number): void {
    this.#sql.exec(
      `INSERT INTO removals (user, version) SELECT user, ? FROM members WHERE true
       ON CONFLICT (user) DO UPDATE SET version = excluded.version`,
      version,
    )
    this.#removed += this.#members.count()
  }

  /** Sends everything that is pending, one run after another. Throws when a notes actor or an inbox was unreachable; the next run repeats that. */
  run(conversation: () => Conversation): Promise<void> {
    const run = async () => {
      try {
        await this.#run(conversation)
      } finally {
        this.attempts.end()
      }
    }
    this.#running = this.#running.then(run, run)
    return this.#running
  }

  async #run(now: () => Conversation): Promise<void> {
    const conversation = now()
    const isDeleted = conversation.deletedAt !== undefined
    const round: Round = {
      conversation,
      news: this.#sharedOf(now),
      isDeleted,
      since: this.#isNoted ? this.#clock.now() : conversation.createdAt,
      open: new Set(),
    }
    const newcomers = isDeleted ? [] : this.#members.newcomers()
    const isFirst = !isDeleted && !this.#isNoted
    const failures: unknown[] = []
    const attempt = async (part: Promise<void>) => await part.catch((thrown: unknown) => void failures.push(thrown))

    await attempt(this.#note(round, newcomers, isFirst))
    await attempt(this.#updateDirectly(round))
    this.#removed = this.#removals().length
    if (failures.length > 0) throw failures[0]
    if (isFirst) this.#settings.set('noted', 1)
  }

  /** Where the conversation stands, made anew once its members or properties have changed. */
  #sharedOf(now: () => Conversation): () => SharedUpdate {
    let shared: SharedUpdate | undefined
    return () => {
      const conversation = now()
      if (shared?.version !== conversation.version) shared = toSharedUpdate(this.#activity.activity(conversation))
      return shared
    }
  }

  /** Calls the notes actors: for all members the first time, then for those that joined or left. */
  async #note(round: Round, newcomers: readonly string[], isFirst: boolean): Promise<void> {
    await this.#noteItems(round, [...this.#removals(), ...(isFirst ? [] : newcomers.map((user) => ({ user })))])
    if (isFirst) await this.#noteAll(round)
  }

  /** Sends all members, in the order of their ids: a run that was cut off continues where it stopped. */
  async #noteAll(round: Round): Promise<void> {
    const done = this.#settings.get('notedTo') ?? ''
    const users = [...this.#members.all()].map(({ user }) => user).filter((user) => user > done)
    users.sort((a, b) => (a < b ? -1 : 1))
    // A run that was cut off may not have updated those that are connected.
    if (done !== '')
      for (const number of new Set([...this.#members.all()].map(({ user }) => notesNumberOf(user))))
        await this.#update(round, number, [])
    for (let first = 0; first < users.length; first += membersPerStep) {
      const step = users.slice(first, first + membersPerStep)
      await this.#noteItems(
        round,
        step.map((user) => ({ user })),
      )
      if (users.length > membersPerStep) this.#settings.set('notedTo', step.at(-1) ?? '')
    }
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
    const { conversation, isDeleted } = round
    const { joins } = this.#members
    const reads = new Map<string, number>()
    if (!isDeleted)
      for (const { user, version } of items) {
        const member = version === undefined ? this.#members.get(user) : undefined
        if (member !== undefined) reads.set(user, member.read)
      }
    const removed = items.flatMap(({ user, version }) => (version === undefined ? [] : [{ user, version }]))
    const update: NotesUpdate = {
      conversation: conversation.id,
      news: isDeleted ? null : round.news(),
      members: [...reads].map(([user, read]) => ({ user, read })),
      removed,
    }
    const { open } = await inboxNotesNumbered(this.#env, conversation.tenant, number).update(update)
    if (items.length === 0) for (const user of open) round.open.add(user)
    const directly = new Set(open)
    for (const { user, version } of items) {
      if (directly.has(user)) round.open.add(user)
      else if (version !== undefined) this.#forgetRemoval(user, version)
    }
    this.#members.introduced(
      [...reads.keys()].filter((user) => !directly.has(user)),
      joins,
    )
  }

  /** Calls the inboxes of those that are connected. */
  async #updateDirectly(round: Round): Promise<void> {
    const { conversation, isDeleted } = round
    const removals = new Map(this.#removals().map(({ user, version }) => [user, version]))
    await inSteps([...round.open], this.#paced(round), async (user) => {
      const inbox = inboxOf(this.#env, conversation.tenant, user)
      const version = removals.get(user)
      if (version !== undefined) {
        await inbox.remove(conversation.id, version)
        this.#forgetRemoval(user, version)
      }
      const { joins } = this.#members
      const [state] = this.#activity.statesOf([user])
      if (isDeleted || state === undefined) return
      const { last, number, read, unread, mentions } = state
      await inbox.advance({ ...round.news(), last, number, read, state: { last, number, read, unread, mentions } })
      this.#members.introduced([user], joins)
    })
  }

  #paced({ since }: Round): Pacing {
    const isHeavy = this.#members.count() > heavyMembers
    return { clock: this.#clock, since, ...(isHeavy ? { begun: () => this.attempts.begin() } : {}) }
  }

  #removals(): { readonly user: string; readonly version: number }[] {
    return this.#sql.exec<{ user: string; version: number }>('SELECT user, version FROM removals').toArray()
  }

  #forgetRemoval(user: string, version: number): void {
    this.#sql.exec('DELETE FROM removals WHERE user = ? AND version = ?', user, version)
  }
}

/** One run: the state it sends, since when it runs, and the connected users among those it is about. */
interface Round {
  readonly conversation: Conversation
  /** Taken for each call: an inbox that knows of a removal takes nothing that is as old as that. */
  readonly news: () => SharedUpdate
  readonly isDeleted: boolean
  readonly since: number
  readonly open: Set<string>
}

const toSharedUpdate = (activity: ConversationActivity): SharedUpdate => {
  const { conversation, type, name, last, number, at, preview, members, memberCount, version } = activity
  return { conversation, type, name, last, number, at, preview, members, memberCount, version }
}

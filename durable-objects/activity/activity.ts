import { BucketSet } from '../../src/activity/bucket-set.ts'
import { parentOf, passOnMs } from '../../src/activity/growing.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import type {
  ActivityQuery,
  ActivityRow,
  ConversationActivity,
  DeletedConversation,
  NewestQuery,
} from '../../src/events/activity.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import { internalEvents } from '../../src/events/internal-events.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { within } from '../../src/kernel/retry.ts'
import { activityOf, conversationOf, ownName } from '../address.ts'
import type { ActivityHandover, ActivityRpc, ConversationNames } from '../contracts.ts'
import { AlarmTasks } from '../shared/alarm-tasks.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Settings } from '../shared/settings.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { ActivityTable } from './activity-table.ts'
import { ListeningGateways } from './listening-gateways.ts'
import { activitySchema } from './schema.ts'

/** After an update was taken, what comes within this time gathers, in milliseconds. */
const gatherMs = 20
/** Updates taken in one go: after a start ten thousand conversations may report at once, and other calls must be served meanwhile. */
const takenAtOnce = 256
/** The version before kept the rows of deleted conversations: so many rows are looked at together, once a minute. */
const sweptAtOnce = 50
const sweepEveryMs = 60_000
/** How long a conversation may take to say whether it exists, in milliseconds. */
const askMs = 2000
/** How long after a call that failed a gateway is notified that it is behind, in milliseconds; growing pauses follow. */
const tellAfterMs = 1000

/**
 * Where the conversations of one tenant stand, or of a part of its buckets: a conversation calls it once for each burst of
 * messages, and it publishes that to the gateways with members. An actor that is new because the tenant has more of them now
 * passes everything on to its parent for two hours, and then takes over what it has: by then no gateway or conversation
 * knows fewer actors.
 */
export class Activity extends TenantActor implements ActivityRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'activity')
  readonly #tasks: AlarmTasks
  #store = this.#open(isUsed(this.ctx.storage.sql))
  /** Updates that came within `gatherMs` of the last that was taken. */
  readonly #waiting: { readonly update: ConversationActivity; readonly settle: (done: Promise<void>) => void }[] = []
  #isGathering = false
  /** Finding out whether this actor is new, which every call waits for. */
  #beginning: Promise<void> | undefined

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#tasks = new AlarmTasks(this.#place.alarm, [
      {
        name: 'gateways behind',
        isPending: () => this.#store.gateways.isAnyBehind,
        dueAt: () => this.#store.gateways.nextNotice,
        run: () => this.#store.gateways.tellBehind(),
      },
      {
        name: 'taking over',
        isPending: () => this.#ownFrom > 0,
        dueAt: () => this.#ownFrom,
        run: () => this.#takeOver(),
      },
      {
        name: 'rows of deleted conversations',
        isPending: () => this.#sweepAt > 0,
        dueAt: () => this.#sweepAt,
        run: () => this.#sweep(),
      },
    ])
  }

  /** A conversation says where it stands. Returns once each listening gateway knows, or is noted as behind. Repeats do no harm. */
  async advance(given: ConversationActivity): Promise<void> {
    const update = internalEvents.read('conversation.activity', given)
    this.#place.used()
    await this.#begun()
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ update, settle: (done) => void done.then(resolve, reject) })
      if (!this.#isGathering) void this.#takeWaiting()
    })
  }

  /** Takes what waits, as one commit and one call of each gateway: at once after quiet, and then what has gathered meanwhile. */
  async #takeWaiting(): Promise<void> {
    this.#isGathering = true
    while (this.#waiting.length > 0) {
      for (const { update, settle } of this.#waiting.splice(0, takenAtOnce)) settle(this.#take(update))
      await scheduler.wait(gatherMs)
    }
    this.#isGathering = false
  }

  async #take(update: ConversationActivity): Promise<void> {
    const merged = this.#store.activities.merge(update, this.#clock.now())
    if (this.#ownFrom > 0) await this.#parent().advance(update)
    else if (merged !== undefined) await this.#store.gateways.publish(merged.publication, merged.changed)
  }

  /** A conversation was deleted: its row goes. Repeats and late updates do no harm. */
  async forget(deleted: DeletedConversation): Promise<void> {
    await this.#begun()
    this.#store.activities.forget(deleted, this.#clock.now())
    if (this.#ownFrom > 0) await this.#parent().forget(deleted)
  }

  /** Takes an erased user out of the row of a conversation. Returns whether the user was in it. */
  eraseUser(conversation: string, erased: ErasedUser): boolean {
    return this.#store.activities.eraseUser(conversation, erased)
  }

  /** A gateway listens to further buckets, from the answer on. */
  async listen(gateway: string, buckets: readonly number[]): Promise<void> {
    this.#place.used()
    await this.#begun()
    this.#store.gateways.listen(gateway, buckets)
    if (this.#ownFrom > 0) await this.#parent().listen(gateway, buckets)
  }

  /** The newest page of a list. */
  async newest(query: NewestQuery): Promise<readonly ActivityRow[]> {
    if (this.#number > 0) await this.#begun()
    return this.#ownFrom > 0 ? await this.#parent().newest(query) : this.#store.activities.newest(query)
  }

  /** What changed since a time, or for inboxes of the version before the newest page of a list. */
  async rows(query: ActivityQuery): Promise<readonly ActivityRow[]> {
    this.#place.used()
    if (this.#number > 0) await this.#begun()
    return this.#ownFrom > 0 ? await this.#parent().rows(query) : this.#store.activities.rows(query)
  }

  /** Of actor 0: how many actors the tenant had when it was first used. Actors with a lower number were never without their buckets. */
  firstActors(): number {
    this.#create()
    return this.#store.settings.number('firstActors')
  }

  /** A part of what the actor with this number takes over, by conversation id after `after`; undefined while this one has not taken over itself. */
  handOver(number: number, after: string): ActivityHandover | undefined {
    if (this.#ownFrom > 0) return undefined
    this.#create()
    return {
      ...this.#store.activities.part(number, after),
      gateways: after === '' ? this.#store.gateways.of(number) : [],
    }
  }

  /** The conversations after an id that this actor knows; none where it was never used. */
  conversations(after: string): ConversationNames {
    return this.#store.activities.names(after)
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    await this.#tasks.run(this.#clock.now(), tellAfterMs)
  }

  /** Until when this actor passes everything on, in milliseconds since the epoch; 0 when it does not. */
  get #ownFrom(): number {
    return this.#store.settings.number('ownFrom')
  }

  /** When rows of the version before are looked at next, in milliseconds since the epoch; 0 when all of them were. */
  get #sweepAt(): number {
    return this.#store.settings.number('sweepAt')
  }

  #begun(): Promise<void> | undefined {
    if (this.#store.settings.get('firstActors') !== undefined) {
      if (this.#store.settings.get('sweepAt') === undefined) this.#sweepLater()
      return undefined
    }
    if (this.#number === 0) {
      this.#create()
      this.#store.settings.set('sweepAt', 0)
      return undefined
    }
    this.#beginning ??= this.#begin().finally(() => (this.#beginning = undefined))
    return this.#beginning
  }

  async #begin(): Promise<void> {
    const first = await activityOf(this.env, this.#tenant, 0).firstActors()
    this.#create()
    if (this.#number < first) {
      this.#store.settings.set('sweepAt', 0)
      return
    }
    this.#store.settings.set('ownFrom', this.#clock.now() + passOnMs)
    this.#tasks.scheduleGathering(this.#clock.now(), 0)
  }

  async #takeOver(): Promise<void> {
    if (this.#clock.now() < this.#ownFrom) return
    let after: string | null = ''
    while (after !== null) {
      const part: ActivityHandover | undefined = await this.#parent().handOver(this.#number, after)
      if (part === undefined) throw new Error('the parent has not taken over yet')
      for (const deleted of part.deleted ?? []) this.#store.activities.forget(deleted, this.#clock.now())
      for (const { activity, changed } of part.rows) this.#store.activities.merge(activity, changed)
      for (const { name, buckets } of part.gateways) this.#store.gateways.listen(name, BucketSet.decode(buckets))
      after = part.next
    }
    this.#store.settings.set('ownFrom', 0)
  }

  /** By then no conversation of a version that does not say that it is deleted runs any more, and a new actor has taken over. */
  #sweepLater(): void {
    const now = this.#clock.now()
    this.#store.settings.set('sweepAt', now + 2 * passOnMs)
    this.#store.settings.set('sweepBefore', now + passOnMs)
    this.#tasks.scheduleGathering(now, 0)
  }

  /** Asks some of the conversations that have been quiet for long whether they exist, and removes the rows of those that do not. */
  async #sweep(): Promise<void> {
    const { settings, activities } = this.#store
    if (this.#clock.now() < this.#sweepAt) return
    const rows = activities.quietRows(settings.get('sweptTo') ?? '', settings.number('sweepBefore'), sweptAtOnce)
    for (const row of rows) if (await this.#isGone(row.id)) activities.removeQuiet(row)
    const last = rows.at(-1)
    if (last !== undefined) settings.set('sweptTo', last.id)
    settings.set('sweepAt', rows.length < sweptAtOnce ? 0 : this.#clock.now() + sweepEveryMs)
  }

  /** Whether a conversation says that it does not exist. One that does not answer keeps its row. */
  async #isGone(conversation: string): Promise<boolean> {
    try {
      const asked = conversationOf(this.env, this.#tenant, conversation).readStates([])
      return (await within(askMs, 'the conversation', asked)) === undefined
    } catch {
      return false
    }
  }

  get #tenant(): string {
    return ownName(this.ctx.id.name).tenant
  }

  get #number(): number {
    return Number(ownName(this.ctx.id.name).name)
  }

  #parent() {
    const parent = parentOf(this.#number)
    if (parent === undefined) throw new Error('actor 0 has no parent')
    return activityOf(this.env, this.#tenant, parent)
  }

  /** Creates the tables, on the first write. */
  #create(): void {
    if (this.#store.settings.get('firstActors') !== undefined) return
    requireTenant(this.#tenant)
    this.#store = this.#open(true)
    this.#store.settings.set('firstActors', loadConfig(this.env).activityActors(this.#tenant))
  }

  #open(exists: boolean) {
    const { sql } = this.ctx.storage
    if (exists) migrate(sql, activitySchema)
    const hasMissed = () => this.#tasks.schedule(this.#clock.now(), tellAfterMs)
    return {
      settings: new Settings(sql, exists),
      activities: new ActivityTable(sql, exists),
      gateways: new ListeningGateways(this.env, sql, exists, this.#tenant, this.#clock, hasMissed),
    }
  }
}

import type {
  Channel,
  DeliveryOutcome,
  NotificationSpec,
  ProviderState,
  TrackedAct,
} from '../../src/notifications/model.ts'
import {
  advance,
  cancel,
  eventArrived,
  resume,
  settle,
  settleFetch,
  type FetchOutcome,
} from '../../src/notifications/runs/advance.ts'
import {
  newRun,
  type Effect,
  type OpenWindow,
  type Run,
  type RunContext,
  type RunStorage,
} from '../../src/notifications/runs/run.ts'
import { reportDelivery, trackDelivery } from '../../src/notifications/runs/sending.ts'
import { usersPerCall } from '../../src/notifications/fan-out/parts.ts'
import { defaultFeed } from '../../src/notifications/feed/item.ts'
import { planOf } from '../../src/notifications/workflows/plan.ts'
import { feedContent } from './feed-content.ts'
import type { LoadedTemplate, TemplateSource } from './feed-templates.ts'
import type { LiveEvent } from './live-events.ts'
import type {
  CancelCall,
  DecisionSettings,
  HandoverAnswer,
  HandoverCall,
  NamedRecipient,
  NoticeSummary,
  NoticeView,
  ReportOfDelivery,
} from '../notification-contracts.ts'
import type { Sql } from '../shared/sql.ts'
import type { NotificationEvents } from './notification-events.ts'
import { PartReads } from './part-reads.ts'
import { NoticeTable, notificationOf, runIdOf, type Notice, type NoticeKey } from './notice-table.ts'
import { SpecTable } from './spec-table.ts'
import { keptItems, type FeedTable } from './sql-feed.ts'
import type { TopicTable } from './sql-topics.ts'
import type { UserTable } from './sql-users.ts'

/** A call that waits for its turn is not lost until then, in milliseconds. */
const waitsMs = 35_000
/** Notices that one commit of a sweep looks at, those of its last page beyond. */
export const sweptAtOnce = 1000
/** Notices that one event is given to. */
const maxAwaiting = 1000

type Deliver = Extract<Effect, { kind: 'deliver' }>

/** A call that has to be made for a run; for an item of the feed, the template that has to be loaded. */
export interface Send extends NoticeKey {
  readonly effect: Extract<Effect, { kind: 'deliver' | 'fetch' }>
}

/** Where a sweep goes on: behind the notification `after`, and within one that is not done. */
export interface SweepPosition {
  readonly after: string
  /** The page to be looked at next, and whether one before it stays. */
  readonly within?: { readonly id: string; readonly page: number; readonly isKept: boolean } | undefined
}

/** What has to be done once a commit is durable. */
export interface Consequences {
  readonly sends: Send[]
  /** Events for connections of users. */
  readonly live: LiveEvent[]
  /** Runs that were changed, for figures. */
  readonly changed: { readonly run: Run; readonly isNew: boolean }[]
  /** When the earliest of them is due; Infinity when nothing is. */
  lookAt: number
}

const noConsequences = (): Consequences => ({ sends: [], live: [], changed: [], lookAt: Infinity })

export interface Tables {
  readonly sql: Sql
  readonly users: UserTable
  readonly feeds: FeedTable
  readonly topics: TopicTable
  readonly events: NotificationEvents
}

/** Moment and settings of one commit. */
export interface Moment {
  readonly now: number
  readonly settings: DecisionSettings
  readonly random: () => number
  /** Providers of a channel with their health. */
  readonly providers: (channel: Channel) => readonly ProviderState[]
  /** A stored template of items that is in memory. */
  readonly template: (source: TemplateSource) => LoadedTemplate | undefined
  /** Whether a call is under way, or waits in memory to be made. */
  readonly isSending: (notice: NoticeKey) => boolean
  /** What was read for the users of a part together. */
  readonly reads?: PartReads | undefined
}

/** Decides about runs of the users of one actor. Every method is called in a transaction, and collects what follows from it. */
export class RunDecider {
  readonly #tables: Tables
  readonly notices: NoticeTable
  readonly specs: SpecTable
  #consequences = noConsequences()

  constructor(tables: Tables) {
    this.#tables = tables
    this.notices = new NoticeTable(tables.sql)
    this.specs = new SpecTable(tables.sql)
  }

  /** What has to be done since it was last asked. */
  takeConsequences(): Consequences {
    const taken = this.#consequences
    this.#consequences = noConsequences()
    return taken
  }

  /** Writes rows that are inserted together. */
  flush(): void {
    this.notices.flush()
    this.#tables.feeds.flush()
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.takeConsequences()
    this.specs.forget()
    this.notices.forget()
    this.#tables.feeds.forget()
  }

  /** Begins the runs of a part's users. Users that have a notice already are left as they are. */
  handOver({ spec, keepMs, part }: HandoverCall, moment: Moment): Extract<HandoverAnswer, { kind: 'taken' }> {
    const { users, next } = this.#usersOf(part)
    const fresh = this.#withoutNotice(users, spec.id)
    const ids = fresh.map(({ user }) => user)
    const stored = this.specs.put(spec, spec.at + keepMs, ids)
    for (const { user, profile } of fresh)
      if (profile !== undefined) this.#tables.users.merge(user, profile, moment.now)
    if (stored.canceledAt === 0) {
      const reads = new PartReads({ ...this.#tables, notices: this.notices }, ids)
      // In the order of the tables, so that rows that lie together are written together.
      for (const user of ids.toSorted()) {
        const key = { user, notification: spec.id }
        const run = newRun(stored.spec, { id: runIdOf(key), recipient: user }, moment.now)
        this.#change(
          { ...key, run, item: undefined, stored: undefined },
          stored.spec,
          { ...moment, reads },
          false,
          advance,
        )
      }
    }
    this.flush()
    return { kind: 'taken', users: users.length, next }
  }

  #withoutNotice(users: readonly NamedRecipient[], notification: string): readonly NamedRecipient[] {
    if (this.specs.find(notification) === undefined) return users
    const there = this.notices.withNotice(
      users.map(({ user }) => user),
      notification,
    )
    return users.filter(({ user }) => !there.has(user))
  }

  /** Lets a run go on for which something may be due. */
  lookAt(notice: Notice, moment: Moment): void {
    const stored = this.specs.find(notice.notification)
    if (stored === undefined) return this.notices.delete(notice)
    // Others may have been gathered into it since it was read.
    this.notices.countGathered(notice)
    const isCanceled = stored.canceledAt > 0
    // A call in memory ends by itself; it is not lost as long as the memory is there.
    if (moment.isSending(notice))
      for (const delivery of notice.run.deliveries)
        if (delivery.state === 'active') delivery.dueAt = Math.max(delivery.dueAt, moment.now + waitsMs)
    this.#change(notice, stored.spec, moment, true, (context) => {
      if (isCanceled && !notice.run.isOwnCanceled) cancel(context, 'the notification was canceled')
      advance(context)
    })
  }

  /** Goes on after the actor lost its memory. */
  resume(notice: Notice, moment: Moment): void {
    const stored = this.specs.find(notice.notification)
    if (stored !== undefined && !moment.isSending(notice)) this.#change(notice, stored.spec, moment, false, resume)
  }

  settle(key: NoticeKey, delivery: string, attempt: number, outcome: DeliveryOutcome, moment: Moment): boolean {
    return this.#changeKnown(key, moment, (context) => settle(context, delivery, attempt, outcome))
  }

  /** Puts an item into the feed whose template had to be loaded. A run that has ended meanwhile, or has begun another attempt, gets none. */
  settleItem(key: NoticeKey, effect: Deliver, template: LoadedTemplate, moment: Moment): boolean {
    const { delivery: id, attempt } = effect
    return this.#changeKnown(key, moment, (context, notice) => {
      const { run } = context
      const delivery = run.deliveries.find((one) => one.id === id)
      if (delivery?.state !== 'active' || delivery.attempts.length !== attempt) return false
      const outcome: DeliveryOutcome =
        run.outcome === 'canceled'
          ? { kind: 'refused', answer: 'canceled' }
          : this.#putItem(notice, context, effect, template, moment)
      return settle(context, id, attempt, outcome)
    })
  }

  settleFetch(key: NoticeKey, step: string, call: number, outcome: FetchOutcome, moment: Moment): boolean {
    return this.#changeKnown(key, moment, (context) => settleFetch(context, step, call, outcome))
  }

  /** A provider reported what became of a message that it had taken. */
  report(key: NoticeKey, { delivery, ...report }: ReportOfDelivery, moment: Moment): boolean {
    return this.#changeKnown(key, moment, (context) => {
      const isNew = reportDelivery(context, delivery, report)
      if (isNew) advance(context)
      return isNew
    })
  }

  /** The recipient opened a message or followed one of its links. */
  track(key: NoticeKey, delivery: string, act: TrackedAct, moment: Moment): boolean {
    return this.#changeKnown(key, moment, (context) => trackDelivery(context, delivery, act))
  }

  /** The recipient marked the item of a notification. */
  stateChanged(key: NoticeKey, moment: Moment): boolean {
    return this.#changeKnown(key, moment, (context) => {
      advance(context)
      return true
    })
  }

  /** Gives an event to the runs that wait for it; answers how many did. */
  eventArrived(event: string, correlation: string, data: unknown, moment: Moment): number {
    let given = 0
    for (const notice of this.notices.awaiting(event, correlation, maxAwaiting)) {
      const stored = this.specs.find(notice.notification)
      if (stored === undefined) continue
      this.#change(notice, stored.spec, moment, false, (context) => {
        if (eventArrived(context, { event, correlation, data })) given++
      })
    }
    return given
  }

  /** Cancels a notification for users, also for those that are not there yet, or for all: then each run ends when it would go on. */
  cancel({ spec, keepMs, users }: CancelCall, moment: Moment): void {
    const stored = this.specs.put(spec, spec.at + keepMs, [])
    if (users === undefined) return this.specs.cancel(spec.id, moment.now)
    for (const user of users) {
      const key = { user, notification: spec.id }
      const known = this.notices.find(key)
      const run = newRun(stored.spec, { id: runIdOf(key), recipient: user }, moment.now)
      const notice = known ?? { ...key, run, item: undefined, stored: undefined }
      this.#change(notice, stored.spec, moment, false, (context) => void cancel(context, 'canceled for this user'))
    }
  }

  /** Cancels a page of the runs of a notification; answers whether there may be more. */
  cancelPage(id: string, page: number, moment: Moment): boolean {
    const users = this.specs.users(id, page)
    const stored = this.specs.find(id)
    if (users === undefined || stored === undefined) return false
    for (const user of users) {
      const notice = this.notices.find({ user, notification: id })
      if (notice === undefined || notice.run.isOwnCanceled) continue
      this.#change(
        notice,
        stored.spec,
        moment,
        false,
        (context) => void cancel(context, 'the notification was canceled'),
      )
    }
    return true
  }

  /** The life of one recipient of a notification. */
  view(key: NoticeKey): NoticeView | undefined {
    const stored = this.specs.find(key.notification)
    const notice = this.notices.find(key)
    if (stored === undefined || notice === undefined) return undefined
    const { id, at, actor, priority } = stored.spec
    const { run, item } = notice
    const state = this.#stateOf(notice)
    return { run, spec: { id, at, actor, priority }, canceledAt: stored.canceledAt, state, item: item ?? null }
  }

  /** Recipients of one call that handed the notification over; `next` is null at the end. */
  page(id: string, page: number): { readonly recipients: NoticeSummary[]; readonly next: number | null } {
    const users = this.specs.users(id, page)
    if (users === undefined) return { recipients: [], next: null }
    const recipients = users.flatMap((user) => {
      const run = this.notices.find({ user, notification: id })?.run
      if (run === undefined) return []
      const deliveries = run.deliveries.map(({ channel, state }) => ({ channel, state }))
      return [{ user, state: run.outcome ?? ('running' as const), deliveries }]
    })
    return { recipients, next: this.specs.users(id, page + 1) === undefined ? null : page + 1 }
  }

  /**
   * Deletes notices of notifications whose time is over, page by page, of the next `scanned` notifications; answers where to go on, undefined at
   * the end. A page stays for `againMs` more that has an open run, its own or that of the digest that gathered it.
   */
  sweep(from: SweepPosition, now: number, scanned: number, againMs: number): SweepPosition | undefined {
    const { ids, last } = this.specs.expired(from.after, now, scanned)
    let { after } = from
    let looked = 0
    for (const id of ids) {
      let { page, isKept } = from.within?.id === id ? from.within : { page: 0, isKept: false }
      for (; ; page++) {
        const users = this.specs.users(id, page)
        if (users === undefined) break
        if (looked >= sweptAtOnce) return { after, within: { id, page, isKept } }
        looked += Math.max(1, users.length)
        isKept = !this.#sweepPage(id, page, users) || isKept
      }
      if (isKept) this.specs.postpone(id, now + againMs)
      else this.specs.delete(id)
      after = id
    }
    return last === undefined ? undefined : { after: last }
  }

  /** Whether the notices of a page could be deleted. */
  #sweepPage(id: string, page: number, users: readonly string[]): boolean {
    const keys = users.map((user) => ({ user, notification: id }))
    if (keys.some((key) => this.#isOpen(key))) return false
    for (const key of keys) this.notices.delete(key)
    if (users.length > 0) this.specs.emptyPage(id, page)
    return true
  }

  /** Whether a run goes on for a notice: its own, or the one that gathered it, which may have been gathered itself. */
  #isOpen(key: NoticeKey): boolean {
    let run = this.notices.find(key)?.run
    while (run !== undefined && run.endedAt > 0 && run.gatheredInto !== null)
      run = this.notices.find({ user: key.user, notification: notificationOf(run.gatheredInto.run) })?.run
    return run?.endedAt === 0
  }

  #usersOf(part: HandoverCall['part']): { readonly users: readonly NamedRecipient[]; readonly next: string | null } {
    if (part.kind === 'users') return { users: part.users, next: null }
    const ids =
      part.kind === 'topic'
        ? this.#tables.topics.subscribers(part.topic, part.after, usersPerCall)
        : this.#tables.users.ids(part.after, usersPerCall)
    const last = ids.length === usersPerCall ? ids.at(-1) : undefined
    return { users: ids.map((user) => ({ user })), next: last ?? null }
  }

  #changeKnown(key: NoticeKey, moment: Moment, work: (context: RunContext, notice: Notice) => boolean): boolean {
    const notice = this.notices.find(key)
    const stored = this.specs.find(key.notification)
    if (notice === undefined || stored === undefined) return false
    let isChanged = false
    this.#change(notice, stored.spec, moment, false, (context) => {
      isChanged = work(context, notice)
    })
    return isChanged
  }

  /** Changes a run, puts its items into the feed, and writes it. */
  #change(
    notice: Notice,
    spec: NotificationSpec,
    moment: Moment,
    isDue: boolean,
    work: (context: RunContext) => void,
  ): void {
    const isNew = notice.stored === undefined
    const context = this.#contextOf(notice, spec, moment)
    const before = isNew ? undefined : JSON.stringify(notice.run)
    const states = this.#tables.events.statesOf(notice.run)
    work(context)
    for (let effect = context.effects.shift(); effect !== undefined; effect = context.effects.shift())
      this.#follow(notice, context, effect, moment)
    if (before !== undefined && before === JSON.stringify(notice.run) && !isDue) return
    this.#tables.events.noteRun(notice.run, states, isNew, moment.now)
    this.notices.put(notice, isDue)
    this.#consequences.changed.push({ run: notice.run, isNew })
    this.#consequences.lookAt = Math.min(this.#consequences.lookAt, notice.stored?.lookAt ?? Infinity)
  }

  #follow(notice: Notice, context: RunContext, effect: Effect, moment: Moment): void {
    const { now } = moment
    const { user } = notice
    const { users } = this.#tables
    if (effect.kind === 'update-user') users.merge(user, { properties: JSON.stringify(effect.properties) }, now)
    else if (effect.kind === 'remove-target') {
      if (effect.target !== undefined) users.removeTarget(user, effect.target, now)
      else if (effect.channel === 'email') users.merge(user, { email: null }, now)
      else if (effect.channel === 'sms') users.merge(user, { phone: null }, now)
    } else if (effect.kind === 'deliver' && effect.order.delivery.channel === 'in-app')
      this.#addItem(notice, context, effect, moment)
    else this.#consequences.sends.push({ user, notification: notice.notification, effect })
  }

  /** Adds an item at once, unless its template has to be loaded first. */
  #addItem(notice: Notice, context: RunContext, effect: Deliver, moment: Moment): void {
    const { source } = effect.order
    const template = 'template' in source ? moment.template(source) : undefined
    if (template === undefined && 'template' in source) {
      const { user, notification } = notice
      this.#consequences.sends.push({ user, notification, effect })
    } else settle(context, effect.delivery, effect.attempt, this.#putItem(notice, context, effect, template, moment))
  }

  /** Puts an item into the feed; a repeat leaves the one that is there. */
  #putItem(
    notice: Notice,
    { spec, run }: RunContext,
    { order }: Deliver,
    template: LoadedTemplate | undefined,
    { settings: { keepMs }, now, reads }: Moment,
  ): DeliveryOutcome {
    if (notice.item !== undefined) return { kind: 'delivered' }
    const name = run.deliveries.find(({ id }) => id === order.delivery.id)?.step ?? ''
    const step = planOf(spec.workflow).steps.get(name)?.step
    const content = feedContent(spec, order, template)
    if (content.kind === 'bad') return { kind: 'refused', answer: content.reason }
    const { feeds } = this.#tables
    const feed = step?.kind === 'channel' ? (step.feed ?? defaultFeed) : defaultFeed
    const { user } = notice
    const retention = { maxAgeMs: keepMs, maxItems: keptItems }
    const { item, counts } = feeds.add(user, feed, content.content, now, retention, reads?.head(user, feed))
    notice.item = item.id
    this.#consequences.live.push({ user, data: () => JSON.stringify({ type: 'notification', feed, item, counts }) })
    return { kind: 'delivered' }
  }

  #contextOf(notice: Notice, spec: NotificationSpec, { now, settings, random, providers, reads }: Moment): RunContext {
    const { profile, preferences } = (reads ?? this.#tables.users).recipient(notice.user)
    return {
      run: notice.run,
      spec,
      profile,
      actor: spec.actorProfile,
      preferences: { recipient: preferences, tenant: settings.preferences },
      tenantZone: settings.zone,
      state: this.#stateOf(notice),
      providers,
      storage: new UserRuns(notice.user, this.notices, this.specs, reads),
      now,
      random,
      effects: [],
    }
  }

  #stateOf({ user, item }: Notice): RunContext['state'] {
    const colon = item?.lastIndexOf(':') ?? -1
    const found =
      item === undefined
        ? undefined
        : this.#tables.feeds.find(user, item.slice(0, colon), Number(item.slice(colon + 1)))
    return {
      isSeen: (found?.seenAt ?? null) !== null,
      isRead: (found?.readAt ?? null) !== null,
      isInteracted: (found?.interactedAt ?? null) !== null,
    }
  }
}

/** The runs of one user, as the rules read and write them. */
class UserRuns implements RunStorage {
  readonly #user: string
  readonly #notices: NoticeTable
  readonly #specs: SpecTable
  readonly #reads: PartReads | undefined
  readonly #read = new Map<string, Notice>()

  constructor(user: string, notices: NoticeTable, specs: SpecTable, reads: PartReads | undefined) {
    this.#user = user
    this.#notices = notices
    this.#specs = specs
    this.#reads = reads
  }

  window(key: string): OpenWindow | undefined {
    const user = this.#user
    if (this.#reads !== undefined) return this.#reads.window(user, key)
    return this.#notices.windows([user], key).get(user)
  }

  run(id: string): Run | undefined {
    const known = this.#read.get(id)
    if (known !== undefined) return known.run
    return this.#note(this.#notices.find({ user: this.#user, notification: notificationOf(id) }))?.run
  }

  saveRun(run: Run): void {
    const notice = this.#read.get(run.id)
    if (notice === undefined) throw new Error(`run ${run.id} was not read before it was saved`)
    this.#notices.put(notice, false)
  }

  *followers(id: string): Generator<Run> {
    for (const { run } of this.#notices.followers(this.#user, notificationOf(id))) yield run
  }

  event(notification: string) {
    const spec = this.#specs.find(notification)?.spec
    return { id: notification, at: spec?.at ?? 0, actor: spec?.actor, data: spec?.data ?? null }
  }

  throttle(key: string): readonly number[] {
    const user = this.#user
    if (this.#reads !== undefined) return this.#reads.throttle(user, key)
    return this.#notices.throttles([user], key).get(user) ?? []
  }

  saveThrottle(key: string, times: readonly number[], until: number): void {
    this.#notices.saveThrottle(this.#user, key, times, until)
  }

  #note(notice: Notice | undefined): Notice | undefined {
    if (notice === undefined) return undefined
    const known = this.#read.get(notice.run.id)
    if (known !== undefined) return known
    this.#read.set(notice.run.id, notice)
    return notice
  }
}

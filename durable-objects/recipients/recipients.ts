import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { chatNotification, linkOf } from '../../src/notifications/chat/notification.ts'
import { noItems, type FeedCounts } from '../../src/notifications/feed/marks.ts'
import { NotificationMetrics, type WorkflowFigures } from '../../src/notifications/metrics.ts'
import { ProviderHealth } from '../../src/notifications/deliveries/provider-health.ts'
import { userOfDelivery } from '../../src/notifications/channels/reference.ts'
import type { DeliveryOutcome, Preferences, Target, TrackedAct } from '../../src/notifications/model.ts'
import type { FetchOutcome } from '../../src/notifications/runs/advance.ts'
import { withSwitches, type SwitchChange } from '../../src/notifications/preferences/effective.ts'
import { publicText, userText, type ProfileInput, type StoredUser } from '../../src/notifications/users/profile.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import { itemIdOf } from '../../src/protocol/feed-api.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import type { ExportedPart } from '../../src/tenants/export-page.ts'
import { breakerOf, notificationCatalogOf, ownName } from '../address.ts'
import type { ContextService } from '../contracts.ts'
import type {
  CancelCall,
  BlockedAuthor,
  ChatNoticesAnswer,
  ChatNoticesCall,
  DecisionSettings,
  FeedPageCall,
  FoundTemplate,
  HandoverAnswer,
  HandoverCall,
  MarkCall,
  MarkedItems,
  NoticeSummary,
  RecipientsRpc,
  ReportOfDelivery,
  StoredProfile,
} from '../notification-contracts.ts'
import { Batcher } from '../shared/batcher.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { deleteRowsOfUser } from '../shared/rows-of-user.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { ChatSources } from './chat-sources.ts'
import { FeedTemplates, type LoadedTemplate, type TemplateSource } from './feed-templates.ts'
import { LiveEvents } from './live-events.ts'
import { NotificationEvents } from './notification-events.ts'
import { RunDecider, type Moment, type Send, type SweepPosition } from './run-decider.ts'
import { recipientsSchema } from './schema.ts'
import { BlockTable } from './sql-blocks.ts'
import { Sends } from './sends.ts'
import { FeedTable, keptItems } from './sql-feed.ts'
import { TopicTable } from './sql-topics.ts'
import { refuseUnknown, UserTable } from './sql-users.ts'
import { UserExporter } from './user-exporter.ts'

/** Ids of items that the answer to a mark of all of them names. */
const maxNamed = 1000
/** Subscriptions of a deleted topic that are deleted in one go, and the pause behind it, in milliseconds. */
const purgedAtOnce = 2000
const purgePauseMs = 20
/** Notices that one alarm lets go on. */
const noticesAtOnce = 100
/** While so many calls wait to be made, no further users are taken. */
const maxSends = 500
const busyMs = 1000
/** For how long settings of the catalog are used, in milliseconds. */
const settingsForMs = 10_000
/** How long the breakers of providers may take to answer, in milliseconds. */
const breakerMs = 250
/** How long the catalog may take to answer with a template, in milliseconds. */
const templateMs = 10_000
/** When a notice is looked at again that could not be changed, in milliseconds. */
const postponeMs = 3_600_000
/** After the deadline of a call its invocation has this much time to answer, in milliseconds. */
const graceMs = 2_000
/** A call that was under way when memory was lost looks at itself this long after its beginning, at most. */
const lostWithinMs = 900_000 + 10_000
/** How often figures are written while runs change, in milliseconds. */
const saveEveryMs = 30_000
/** How often notices whose time is over are looked for, in milliseconds, and how many notifications are looked at. */
const sweepEveryMs = 3_600_000
const sweptSpecs = 500
const sweptFeeds = 500
const sweptThrottles = 500
const dayMs = 86_400_000

const noBlockers: ReadonlySet<string> = new Set()

/** The key of a row: its user, and what it is of that user. */
type RowPosition = readonly [string, string]

interface Settled {
  readonly send: Send
  readonly outcome: SendOutcome
}

type SendOutcome = DeliveryOutcome | FetchOutcome | TemplateOutcome

/** The template of an item of the feed is there. */
interface TemplateOutcome {
  readonly kind: 'item'
  readonly template: LoadedTemplate
}

/**
 * Users of a tenant with their notices: one of sixteen actors, each with the users whose ids hash to its number. Decides for many users in
 * one commit, and then lets Workers send; it never waits for one.
 */
export class Recipients extends TenantActor implements RecipientsRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'recipients')
  readonly #tenant = ownName(this.ctx.id.name).tenant
  /** When the alarm rings; Infinity while none is set. */
  #alarmAt = Infinity
  readonly #sql = this.ctx.storage.sql
  readonly #users = new UserTable(this.#sql)
  readonly #feeds = new FeedTable(this.#sql)
  readonly #topics = new TopicTable(this.#sql)
  readonly #blocks = new BlockTable(this.#sql)
  readonly #live = new LiveEvents(this.env, this.#tenant)
  readonly #events = new NotificationEvents(
    this.ctx.storage.kv,
    this.env,
    ownName(this.ctx.id.name),
    (at) => this.#setAlarm(at),
    this.#clock.now(),
  )
  readonly #runs = new RunDecider({
    sql: this.#sql,
    users: this.#users,
    feeds: this.#feeds,
    topics: this.#topics,
    events: this.#events,
  })
  readonly #exporter = new UserExporter(this.#sql, {
    users: this.#users,
    feeds: this.#feeds,
    runs: this.#runs,
    blocks: this.#blocks,
  })
  readonly #metrics: NotificationMetrics
  readonly #templates = new FeedTemplates((source) => this.#findTemplate(source))
  readonly #health = new ProviderHealth()
  readonly #chat = new ChatSources(this.env, this.#tenant)
  readonly #sends = new Sends((send) => this.#send(send))
  readonly #handovers = new Batcher<HandoverCall, Extract<HandoverAnswer, { kind: 'taken' }> | undefined>((all) =>
    this.#each(
      all,
      (call, moment) => this.#runs.handOver(call, moment),
      () => undefined,
    ),
  )
  readonly #settled = new Batcher<Settled, boolean>((all) =>
    this.#each(
      all,
      (one, moment) => this.#settle(one, moment),
      ({ send }) => this.#postpone(send),
    ),
  )
  #settings: { readonly value: DecisionSettings; readonly until: number } | undefined
  /** An actor that was only asked has no tables. */
  #isUsed = isUsed(this.#sql)
  #savedAt = 0
  #sweptAt = 0
  /** An alarm has been seen, or set: sweeps have begun. */
  #isSweeping = false

  constructor(...given: ConstructorParameters<typeof TenantActor>) {
    super(...given)
    if (this.#isUsed) migrate(this.#sql, recipientsSchema)
    this.#metrics = new NotificationMetrics(this.ctx.storage.kv.get('metrics'))
    if (!this.#isUsed) return
    if (this.#runs.notices.nextLookAt() !== undefined) this.ctx.waitUntil(this.#resume())
    if (this.#topics.hasRest) void this.#purgeTopics()
  }

  /** Decides for users of a part, in one commit with all that arrive together. A repeat changes nothing. */
  async handOver(call: HandoverCall): Promise<HandoverAnswer> {
    this.#use()
    if (this.#sends.count >= maxSends) return { kind: 'busy', retryInMs: busyMs }
    await this.#loadSettings()
    await this.#templates.loadFor(call.spec.workflow, this.#clock.now())
    const answer = await this.#handovers.add(call)
    if (answer === undefined) throw new Error('recipients: the part could not be decided; the log has the reason')
    await this.#beginSweeps()
    return answer
  }

  /** Decides for members of a conversation, in one commit with all that arrive together. */
  async chatNotices({ conversation, notices }: ChatNoticesCall): Promise<ChatNoticesAnswer> {
    this.#use()
    const now = this.#clock.now()
    const users = notices.reduce((sum, notice) => sum + notice.users.length, 0)
    if (this.#sends.count >= maxSends || !this.#chat.take(users, now)) return { kind: 'busy', retryInMs: busyMs }
    await this.#loadSettings()
    const settings = this.#settings?.value
    const { chat } = settings ?? {}
    // Conversations learn later than this actor that it was switched off.
    if (settings === undefined || chat?.enabled !== true) return { kind: 'taken' }
    const link = linkOf(chat, conversation.id)
    const blocked: BlockedAuthor[] = []
    const calls = notices.map(async ({ users: named, ...notice }) => {
      const blockers = notice.author === '' ? noBlockers : this.#blocks.blockersAmong(named, notice.author)
      for (const user of blockers) blocked.push({ user, author: notice.author })
      const own = blockers.size === 0 ? named : named.filter((user) => !blockers.has(user))
      if (own.length === 0 || !chat.triggers[notice.kind]) return
      const { workflow, category } = await this.#chat.workflow(notice.kind, now)
      const actorProfile = notice.author === '' ? undefined : await this.#chat.profile(notice.author, now)
      const spec = chatNotification({ ...notice, conversation, workflow, category, actorProfile, link })
      await this.#templates.loadFor(workflow, now)
      const part = { kind: 'users', users: own.map((user) => ({ user })) } as const
      const answer = await this.#handovers.add({ spec, keepMs: settings.keepMs, part })
      if (answer === undefined) throw new Error('recipients: the notices could not be decided; the log has the reason')
    })
    await Promise.all(calls)
    await this.#beginSweeps()
    return { kind: 'taken', ...(blocked.length === 0 ? {} : { blocked }) }
  }

  async cancel(call: CancelCall): Promise<void> {
    this.#use()
    await this.#loadSettings()
    this.#changing((moment) => this.#runs.cancel(call, moment))
    await this.#beginSweeps()
    if (call.users !== undefined) return
    for (let page = 0, isMore = true; isMore; page++) {
      isMore = this.#changing((moment) => this.#runs.cancelPage(call.spec.id, page, moment))
      await scheduler.wait(0)
    }
  }

  async eventArrived(event: string, correlation: string, data: string): Promise<number> {
    if (!this.#isUsed) return 0
    await this.#loadSettings()
    return this.#changing((moment) => this.#runs.eventArrived(event, correlation, JSON.parse(data), moment))
  }

  async reportsArrived(reports: readonly ReportOfDelivery[]): Promise<number> {
    if (!this.#isUsed) return 0
    await this.#loadSettings()
    const noted = this.#each(
      reports,
      (report, moment) => {
        const key = userOfDelivery(report.delivery)
        return key !== undefined && this.#runs.report(key, report, moment)
      },
      () => false,
    )
    return noted.filter(Boolean).length
  }

  async tracked(delivery: string, act: TrackedAct): Promise<boolean> {
    const key = userOfDelivery(delivery)
    if (!this.#isUsed || key === undefined) return false
    await this.#loadSettings()
    return this.#changing((moment) => this.#runs.track(key, delivery, act, moment))
  }

  explain(notification: string, user: string): string | undefined {
    const view = this.#isUsed ? this.#runs.view({ user, notification }) : undefined
    return view === undefined ? undefined : JSON.stringify(view)
  }

  recipients(
    notification: string,
    page: number,
  ): { readonly recipients: NoticeSummary[]; readonly next: number | null } {
    return this.#isUsed ? this.#runs.page(notification, page) : { recipients: [], next: null }
  }

  recipient(user: string): string {
    if (!this.#isUsed) return JSON.stringify({ profile: { id: user, properties: {}, targets: [] } })
    return JSON.stringify(this.#users.recipient(user))
  }

  figures(): Record<string, WorkflowFigures> {
    return this.#metrics.all()
  }

  /** Deletes what is kept of a user. Returns how many rows that were. */
  eraseUser(user: string): number {
    if (!this.#isUsed) return 0
    const deleteCounted = () => {
      this.#runs.notices.deleteUser(user)
      this.#users.delete(user)
      this.#feeds.deleteUser(user)
      this.#topics.deleteUser(user)
      this.#blocks.deleteUser(user)
    }
    return this.ctx.storage.transactionSync(
      () => this.#events.eraseUser(user) + deleteRowsOfUser(this.#sql, user, deleteCounted),
    )
  }

  /** A part of what is exported of a user: lines, and where the following part begins. */
  exportUser(user: string, cursor: string, limit: number): ExportedPart {
    return this.#isUsed ? this.#exporter.part(user, cursor, limit) : { lines: [], next: null }
  }

  /** The same of all users of this actor. */
  exportUsers(cursor: string, limit: number): ExportedPart {
    return this.#isUsed ? this.#exporter.page(cursor, limit) : { lines: [], next: null }
  }

  /** Stores users of an export; how many were not here, or older. */
  restoreUsers(users: readonly StoredUser[]): number {
    this.#use()
    return users.filter((user) => this.#users.restore(user)).length
  }

  /** A user blocks another one, or no longer does: messages of that one notify the user of nothing. */
  setBlocked(user: string, blocked: string, isBlocked: boolean): void {
    if (!this.#isUsed && !isBlocked) return
    this.#use()
    this.#blocks.set(user, blocked, isBlocked)
  }

  /** Forgets that users of this actor block an erased one; returns how many did. */
  forgetBlocked(erased: string): number {
    return this.#isUsed ? this.#blocks.deleteUser(erased) : 0
  }

  /** The numbers of the topics that a user is subscribed to. */
  topicsOf(user: string): number[] {
    return this.#isUsed ? this.#topics.topicsOf(user) : []
  }

  /** Stores a profile in place of the one before. */
  putUser(user: string, given: ProfileInput): StoredProfile & { readonly isNew: boolean } {
    this.#use()
    const { stored, isNew } = this.#users.put(user, given, this.#clock.now())
    return { kind: 'profile', json: userText(stored), isNew }
  }

  /** Stores many profiles in one commit. */
  putUsers(users: readonly { readonly id: string; readonly given: ProfileInput }[]): void {
    this.#use()
    for (const { id, given } of users) this.#users.put(id, given, this.#clock.now())
  }

  /** Changes fields of a profile that exists. */
  patchUser(user: string, given: ProfileInput): StoredProfile | Refusal {
    if (!this.#isUsed) return refuseUnknown(user)
    const stored = this.#users.patch(user, given, this.#clock.now())
    return 'kind' in stored ? stored : { kind: 'profile', json: userText(stored) }
  }

  /** JSON text of a user. */
  user(user: string): string | undefined {
    const stored = this.#isUsed ? this.#users.find(user) : undefined
    return stored === undefined ? undefined : userText(stored)
  }

  /** JSON texts of users in the order of their ids, those behind `after`, with the last id. */
  users(after: string, limit: number): { readonly users: readonly string[]; readonly last: string } {
    const page = this.#isUsed ? this.#users.page(after, limit) : []
    return { users: page.map(userText), last: page.at(-1)?.id ?? '' }
  }

  /** JSON texts of those users that exist; `isPublic` for what every user of the tenant may see. */
  usersById(ids: readonly string[], isPublic: boolean): string[] {
    if (!this.#isUsed) return []
    const found = ids.flatMap((id) => this.#users.find(id) ?? [])
    return found.map(isPublic ? publicText : userText)
  }

  putTarget(user: string, target: Target): { readonly kind: 'put' } | Refusal {
    this.#use()
    return this.#users.putTarget(user, target, this.#clock.now())
  }

  removeTarget(user: string, target: string): boolean {
    return this.#isUsed && this.#users.removeTarget(user, target, this.#clock.now())
  }

  /** A user's own layer of preferences with the zone of the profile. */
  preferences(user: string): { readonly preferences: Preferences; readonly zone: string | undefined } {
    if (!this.#isUsed) return { preferences: {}, zone: undefined }
    const { profile, preferences = {} } = this.#users.recipient(user)
    return { preferences, zone: profile.zone }
  }

  putPreferences(user: string, preferences: Preferences): void {
    this.#use()
    this.#users.putPreferences(user, preferences, this.#clock.now())
  }

  /** Changes switches of a user's preferences; all others stay. */
  switchPreferences(user: string, changes: readonly SwitchChange[]): void {
    this.#use()
    const before = this.#users.preferences(user) ?? {}
    this.#users.putPreferences(user, withSwitches(before, changes), this.#clock.now())
  }

  /** JSON text of a page of a feed. */
  feed(user: string, feed: string, { filter, category, cursor, limit }: FeedPageCall): string {
    if (!this.#isUsed) return JSON.stringify({ items: [], pinned: [], counts: noItems, next: null })
    const query = { filter, category, before: cursor ?? Number.MAX_SAFE_INTEGER, limit }
    const { items, before } = this.#feeds.page(user, feed, query)
    const isFirst = cursor === undefined && filter === 'all'
    const pinned = isFirst ? this.#feeds.page(user, feed, { ...query, filter: 'pinned', limit: 100 }).items : []
    const counts = this.#feeds.counts(user, feed)
    return JSON.stringify({ items, pinned, counts, next: before === undefined ? null : String(before) })
  }

  /** The counts of all feeds of a user. */
  feedCounts(user: string): Record<string, FeedCounts> {
    return this.#isUsed ? this.#feeds.allCounts(user) : {}
  }

  /** Marks items, and tells the user's connections. */
  markFeed(user: string, { feed, mark, numbers, upTo }: MarkCall): MarkedItems | Refusal {
    if (!this.#isUsed) return { kind: 'marked', items: [], counts: noItems }
    const now = this.#clock.now()
    const marked = this.ctx.storage.transactionSync(() => {
      const result =
        numbers === undefined
          ? this.#feeds.markAll(user, feed, upTo ?? Number.MAX_SAFE_INTEGER, mark, now)
          : this.#feeds.mark(user, feed, numbers, mark, now)
      if (result.kind === 'marked')
        this.#events.noteMark(
          user,
          mark,
          result.items.map(({ notification }) => notification),
          now,
        )
      this.#events.write(now)
      return result
    })
    if (marked.kind === 'refused') return marked
    void this.#goOn(user, marked.items)
    const { counts } = marked
    const items = marked.items.slice(0, maxNamed).map(({ id }) => id)
    if (items.length > 0) {
      const named = numbers === undefined ? null : items
      const last = upTo === undefined ? null : itemIdOf(feed, upTo)
      const event = { type: 'feed', feed, counts, mark, at: now, items: named, upTo: last }
      this.#live.send([{ user, data: () => JSON.stringify(event) }])
    }
    return { kind: 'marked', items, counts }
  }

  /** Subscribes users to a topic of notifications; returns how many were not subscribed. */
  subscribe(topic: number, users: readonly string[]): number {
    this.#use()
    return this.#topics.add(topic, users)
  }

  unsubscribe(topic: number, users: readonly string[]): number {
    return this.#isUsed ? this.#topics.remove(topic, users) : 0
  }

  /** Subscribers of a topic in the order of their ids, those behind `after`. */
  subscribers(topic: number, after: string, limit: number): string[] {
    return this.#isUsed ? this.#topics.subscribers(topic, after, limit) : []
  }

  subscriberCount(topic: number): number {
    return this.#isUsed ? this.#topics.count(topic) : 0
  }

  /** From now on the topic has no subscribers; their rows are deleted bit by bit behind the answer. */
  removeTopic(topic: number): void {
    if (!this.#isUsed) return
    this.#topics.delete(topic)
    void this.#purgeTopics()
  }

  async #purgeTopics(): Promise<void> {
    while (this.#topics.purge(purgedAtOnce)) await scheduler.wait(purgePauseMs)
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Infinity
    if (this.#events.outbox.dueAt < Infinity) this.ctx.waitUntil(this.#publish())
    try {
      await this.#loadSettings()
      const now = this.#clock.now()
      const due = this.#runs.notices.due(now, noticesAtOnce)
      this.#each(
        due,
        (notice, moment) => this.#runs.lookAt(notice, moment),
        (notice) => void this.#postpone(notice),
      )
      this.#setAlarm(due.length === noticesAtOnce ? now + 10 : this.#runs.notices.nextLookAt())
      this.#sweep(now)
    } catch (thrown) {
      log.error('recipients.alarm-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
      this.#setAlarm(this.#clock.now() + 10_000)
    }
  }

  async #publish(): Promise<void> {
    const now = () => this.#clock.now()
    if (this.#events.outbox.dueAt <= now()) await this.#events.outbox.run(now)
    this.#events.outbox.wakeAgain(now())
  }

  /** Lets runs go on that wait until their item is seen, read or clicked; one that is lost here looks again at the end of its wait. */
  async #goOn(user: string, items: readonly { readonly notification: string }[]): Promise<void> {
    if (items.length === 0) return
    try {
      await this.#loadSettings()
      const keys = items.map(({ notification }) => ({ user, notification }))
      this.#each(
        keys,
        (key, moment) => this.#runs.stateChanged(key, moment),
        () => false,
      )
    } catch (thrown) {
      log.warn('recipients.mark-unnoticed', { tenant: this.#tenant, reason: reasonOf(thrown) })
    }
  }

  /** Calls that were under way when the actor ended may have had their effect. */
  async #resume(): Promise<void> {
    try {
      await this.#loadSettings()
      const until = this.#clock.now() + lostWithinMs
      for (let after = 0; ;) {
        const page = this.#runs.notices.lookedAtUntil(until, after, noticesAtOnce)
        this.#each(
          page,
          (notice, moment) => this.#runs.resume(notice, moment),
          (notice) => void this.#postpone(notice),
        )
        const last = page.at(-1)?.stored?.lookAt
        if (page.length < noticesAtOnce || last === undefined || last === null) break
        after = last
        await scheduler.wait(0)
      }
    } catch (thrown) {
      log.error('recipients.resume-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
    }
    this.#setAlarm(Math.max(this.#clock.now() + 1, this.#runs.notices.nextLookAt() ?? Infinity))
  }

  #settle({ send, outcome }: Settled, moment: Moment): boolean {
    const { effect } = send
    if (outcome.kind === 'item')
      return effect.kind === 'deliver' && this.#runs.settleItem(send, effect, outcome.template, moment)
    if (effect.kind === 'deliver' && isOfDelivery(outcome)) {
      this.#health.noteOutcome(effect.order.provider, outcome, moment.now)
      return this.#runs.settle(send, effect.delivery, effect.attempt, outcome, moment)
    }
    if (effect.kind === 'fetch' && !isOfDelivery(outcome))
      return this.#runs.settleFetch(send, effect.step, effect.call, outcome, moment)
    return false
  }

  async #send(send: Send): Promise<void> {
    this.#place.used()
    const { effect } = send
    let outcome: SendOutcome
    try {
      outcome = effect.kind === 'deliver' ? await this.#deliver(effect) : await this.#call(effect)
    } catch (thrown) {
      outcome = brokenOff(effect, `the call broke off: ${reasonOf(thrown)}`)
    }
    try {
      await this.#settled.add({ send, outcome })
    } catch (thrown) {
      log.error('recipients.not-settled', { tenant: this.#tenant, reason: reasonOf(thrown) })
    }
  }

  async #deliver({ order, timeoutMs }: Extract<Send['effect'], { kind: 'deliver' }>): Promise<SendOutcome> {
    if (order.delivery.channel === 'in-app' && 'template' in order.source)
      return { kind: 'item', template: await this.#templates.load(order.source, this.#clock.now()) }
    const whole = { ...order, tenant: this.#tenant }
    const elsewhere: ContextService | undefined = this.env.NOTIFICATIONS
    const asked: Promise<DeliveryOutcome> =
      elsewhere === undefined ? this.ctx.exports.NotificationWorker.deliver(whole) : elsewhere.deliver(whole)
    return await within(timeoutMs + graceMs, 'the delivery', asked)
  }

  async #findTemplate({ template, version }: TemplateSource): Promise<FoundTemplate | undefined> {
    const catalog = notificationCatalogOf(this.env, this.#tenant)
    const asked: Promise<FoundTemplate | undefined> = catalog.template(template, version)
    return await within(templateMs, 'the catalog of notifications', asked)
  }

  async #call(effect: Extract<Send['effect'], { kind: 'fetch' }>): Promise<FetchOutcome> {
    const call = callOf(effect)
    const elsewhere: ContextService | undefined = this.env.NOTIFICATIONS
    const asked: Promise<FetchOutcome> =
      elsewhere === undefined
        ? this.ctx.exports.NotificationWorker.call(this.#tenant, call)
        : elsewhere.call(this.#tenant, call)
    return await within(call.timeoutMs + graceMs, 'the call', asked)
  }

  /** Changes runs in one commit; then makes their calls and sets the alarm. The platform holds both back until the commit is durable. */
  #changing<T>(change: (moment: Moment) => T): T {
    const now = this.#clock.now()
    const settings = this.#settings?.value
    if (settings === undefined) throw new Error('recipients: no settings have been read')
    const moment: Moment = {
      now,
      settings,
      random: Math.random,
      providers: (channel) => this.#health.statesOf(settings.providers[channel] ?? []),
      template: (source) => this.#templates.known(source, now),
      isSending: (notice) => this.#sends.has(notice),
    }
    let result: T
    try {
      result = this.ctx.storage.transactionSync(() => {
        const done = change(moment)
        this.#runs.flush()
        this.#events.write(now)
        return done
      })
    } catch (thrown) {
      log.error('recipients.change-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
      this.#events.forget()
      this.#runs.forget()
      throw thrown
    }
    const { sends, live, changed, lookAt } = this.#runs.takeConsequences()
    for (const one of changed) this.#metrics.count(one, now)
    if (changed.length > 0 && (now >= this.#savedAt + saveEveryMs || (sends.length === 0 && this.#sends.count === 0)))
      this.#saveMetrics(now)
    this.#sends.add(sends)
    if (live.length > 0) this.#live.send(live)
    this.#setAlarm(lookAt)
    return result
  }

  #saveMetrics(now: number): void {
    this.#savedAt = now
    this.ctx.storage.kv.put('metrics', this.#metrics.all())
  }

  /** Does work for each of `all` in one commit; where that fails, for each by itself, so that one run never stops the others. */
  #each<I, O>(all: readonly I[], work: (one: I, moment: Moment) => O, failed: (one: I) => O): O[] {
    if (all.length === 0) return []
    try {
      return this.#changing((moment) => all.map((one) => work(one, moment)))
    } catch {
      return all.map((one) => {
        try {
          return this.#changing((moment) => work(one, moment))
        } catch {
          return failed(one)
        }
      })
    }
  }

  /** A run that could not be changed is tried again an hour later; the log line of the failure names the reason. */
  #postpone({ user, notification }: { readonly user: string; readonly notification: string }): boolean {
    log.error('recipients.run-postponed', { tenant: this.#tenant, notification, user })
    this.#runs.notices.postpone({ user, notification }, this.#clock.now() + postponeMs)
    return false
  }

  /** What has ended at once is deleted one day, although nothing of it is due. From then on each alarm sets the next. */
  async #beginSweeps(): Promise<void> {
    if (this.#isSweeping) return
    this.#isSweeping = true
    if ((await this.ctx.storage.getAlarm()) === null) this.#setAlarm(this.#clock.now() + sweepEveryMs)
  }

  /** Deletes notices, items of feeds and throttles whose time is over, of a bounded number of notifications, feeds and throttles at once. */
  #sweep(now: number): void {
    if (now < this.#sweptAt + sweepEveryMs) return this.#setAlarm(this.#sweptAt + sweepEveryMs)
    const { kv } = this.ctx.storage
    const from = { after: kv.get<string>('swept') ?? '', within: kv.get<SweepPosition['within']>('sweptPage') }
    const next = this.ctx.storage.transactionSync(() => this.#runs.sweep(from, now, sweptSpecs, dayMs))
    kv.put('swept', next?.after ?? '')
    if (next?.within !== undefined) kv.put('sweptPage', next.within)
    else if (from.within !== undefined) kv.delete('sweptPage')
    const { notices } = this.#runs
    const isOver = [
      next === undefined,
      this.#sweepFeeds(now),
      this.#sweepBehind('sweptThrottle', (after) => notices.sweepThrottles(after, now, sweptThrottles)),
    ].every(Boolean)
    if (isOver) this.#sweptAt = now
    this.#setAlarm(now + (isOver ? sweepEveryMs : 1000))
  }

  /** Whether all feeds have been looked at. Feeds that get items are kept short by these already. */
  #sweepFeeds(now: number): boolean {
    const maxAgeMs = this.#settings?.value.keepMs
    if (maxAgeMs === undefined) return true
    const retention = { maxAgeMs, maxItems: keptItems }
    return this.#sweepBehind('sweptFeed', (after) => this.#feeds.pruneOld(after, sweptFeeds, now, retention).next)
  }

  /** Sweeps rows behind the stored position, and stores where to go on. Whether that was the end. */
  #sweepBehind(name: string, sweep: (after: RowPosition) => RowPosition | undefined): boolean {
    const { kv } = this.ctx.storage
    const after = kv.get<RowPosition>(name)
    const next = this.ctx.storage.transactionSync(() => sweep(after ?? ['', '']))
    if (next !== undefined) kv.put(name, next)
    else if (after !== undefined) kv.delete(name)
    return next === undefined
  }

  async #loadSettings(): Promise<void> {
    const now = this.#clock.now()
    if (this.#settings !== undefined && now < this.#settings.until) return
    const value = await notificationCatalogOf(this.env, this.#tenant).decisionSettings()
    this.#settings = { value, until: now + settingsForMs }
    this.#events.outbox.setOn(value.isPublished === true)
    await this.#loadHealth(value, now)
  }

  /** Asks for the breakers of the hosts of providers. Without an answer attempts tell of an open one. */
  async #loadHealth({ providers }: DecisionSettings, now: number): Promise<void> {
    const named = Object.values(providers).flatMap((all) => all.filter(({ host }) => host !== undefined))
    if (named.length === 0) return
    try {
      const asked: Promise<number[]> = breakerOf(this.env, this.#tenant, '').openFor(named.map(({ host = '' }) => host))
      const openFor = await within(breakerMs, 'the breakers of providers', asked)
      for (const [index, { name }] of named.entries()) this.#health.noteBreaker(name, openFor[index] ?? 0, now)
    } catch (thrown) {
      log.warn('recipients.health-unknown', { tenant: this.#tenant, reason: reasonOf(thrown) })
    }
  }

  #setAlarm(at: number | undefined): void {
    if (at === undefined || at === Infinity || at >= this.#alarmAt) return
    // A time that is over would be the alarm that rings now, and be lost with it.
    const soonest = Math.max(Math.ceil(at), this.#clock.now() + 1)
    this.#alarmAt = soonest
    void this.#place.alarm.setAlarm(soonest)
  }

  /** Creates the tables, on the first write. */
  #use(): void {
    this.#place.used()
    if (this.#isUsed) return
    requireTenant(this.#tenant)
    migrate(this.#sql, recipientsSchema)
    this.#isUsed = true
  }
}

/** A call that broke off may have had its effect; loading a template has none. */
function brokenOff(effect: Send['effect'], reason: string): SendOutcome {
  if (effect.kind === 'fetch') return { kind: 'failed', reason }
  const isItem = effect.order.delivery.channel === 'in-app'
  return { kind: isItem ? 'later' : 'unknown', answer: reason }
}

const isOfDelivery = (outcome: DeliveryOutcome | FetchOutcome): outcome is DeliveryOutcome =>
  !('reason' in outcome) && outcome.kind !== 'done'

const callOf = ({ url, body, timeoutMs, idempotencyKey }: Extract<Send['effect'], { kind: 'fetch' }>) => ({
  url,
  body,
  timeoutMs,
  idempotencyKey,
})

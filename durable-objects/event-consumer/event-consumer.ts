import type { Env } from '../../src/env.ts'
import { encodeEvent } from '../../src/event-log/cloud-events.ts'
import { Consumer, type Delivery, type DeliveryOutcome } from '../../src/event-log/consumers/consumer.ts'
import { startAfter } from '../../src/event-log/consumers/position.ts'
import { countDelivery } from '../../src/event-log/event-figures.ts'
import { Pusher, type PostResult } from '../../src/event-log/consumers/pusher.ts'
import { deliveryId, storedSpec, webhookDeliveryId, type ConsumerSpec } from '../../src/event-log/consumers/spec.ts'
import type { Replay } from '../../src/event-log/webhooks/replay.ts'
import type { DeliveryState, LoggedDelivery } from '../../src/event-log/webhooks/webhook.ts'
import { CompiledType } from '../../src/event-log/types/known-types.ts'
import { inJson } from '../../src/events/erased-user.ts'
import type { LogEvent, SeenEvent } from '../../src/events/log-event.ts'
import { SigningSecrets } from '../../src/webhooks/endpoint-post.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type {
  ConsumerState,
  EventConsumerRpc,
  EventProgress,
  EventsBehind,
  PulledEvents,
  SettleCall,
  WebhookView,
} from '../contracts.ts'
import { callEventCatalog, callEventLog } from '../open-event-actors.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Settings } from '../shared/settings.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { postEvent } from './event-poster.ts'
import { maxReplays, OwnWebhook } from './own-webhook.ts'
import { eventConsumerSchema } from './schema.ts'
import { SqlConsumerStore, type DeadLetter } from './sql-consumer-store.ts'

/** A run that breaks off is begun again by the alarm after this time. */
const resumeMs = 30_000
/** Between two tries to read a topic that does not answer. */
const againMs = 5000
/** Bytes of events that one pull hands out, about. */
const pulledBytes = 1_048_576
/** Pulls of one consumer that wait at once. */
const maxWaiting = 100

/** Events that are asked for at once when they are read again. */
const keptAtOnce = 500

interface Opened {
  readonly settings: Settings
  readonly store: SqlConsumerStore
  readonly consumer: Consumer
  readonly pusher: Pusher
  /** Set for the consumer of a webhook. */
  readonly webhook: OwnWebhook | undefined
  spec: ConsumerSpec
}

/** One consumer of a tenant: reads its topic, hands events out by push or pull, and keeps which of them are settled. */
export class EventConsumer extends TenantActor implements EventConsumerRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'event-consumer')
  #secrets = new SigningSecrets(this.ctx.storage.kv)
  readonly #types = new Map<string, CompiledType>()
  readonly #waiting = new Set<() => void>()
  #opened: Opened | undefined
  #top = 0
  #armedFor = Infinity

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (!isUsed(ctx.storage.sql)) return
    migrate(ctx.storage.sql, eventConsumerSchema)
    const text = new Settings(ctx.storage.sql, true).get('spec')
    if (text !== undefined) this.#opened = this.#open(storedSpec.parse(JSON.parse(text)))
    void ctx.blockConcurrencyWhile(async () => {
      this.#armedFor = (await ctx.storage.getAlarm()) ?? Infinity
    })
  }

  /** Creates the consumer behind offset `from`, or changes it; its position then stays. */
  configure(given: ConsumerSpec, from: number): void {
    // As it is read again after a loss of memory: its members in the same order, so that an ETag stays.
    const spec = storedSpec.parse(given)
    if (this.#opened === undefined) {
      requireTenant(ownName(this.ctx.id.name).tenant)
      migrate(this.ctx.storage.sql, eventConsumerSchema)
      new SqlConsumerStore(this.ctx.storage.sql).position = startAfter(from)
      this.#opened = this.#open(spec)
      this.#opened.settings.set('startedAfter', from)
      this.#opened.settings.set('createdAt', this.#clock.now())
    }
    const { settings, consumer } = this.#opened
    settings.set('spec', JSON.stringify(spec))
    this.#opened.spec = spec
    consumer.rules = spec
    this.#changed()
  }

  /** Undefined for a consumer that does not exist. */
  state(): ConsumerState | undefined {
    if (this.#opened === undefined) return undefined
    const { spec, consumer, settings } = this.#opened
    const { generation, settled, skipped } = consumer.position
    const { retrying, out, dead } = consumer.figures
    return {
      spec,
      isPaused: settings.number('paused') === 1,
      isFull: consumer.isFull,
      generation,
      settled,
      skipped,
      retrying,
      handedOut: out,
      deadLetters: dead,
    }
  }

  /** Deletes everything the consumer has. */
  async remove(): Promise<void> {
    this.#opened = undefined
    this.#armedFor = Infinity
    for (const wake of this.#waiting) wake()
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#secrets = new SigningSecrets(this.ctx.storage.kv)
  }

  /** The topic has events up to `top`, perhaps those of `page`. Returns at once; the events are pushed afterwards. */
  eventsAppended(top: number, page?: EventsBehind): void {
    this.#top = Math.max(this.#top, top)
    this.#opened?.pusher.noteTop(this.#top, page)
    this.#changed()
  }

  /**
   * Reads events again that name an erased user, or may be edits of their messages, after they were rewritten in the log; those that it no longer
   * has are dropped. Returns how many changed.
   */
  async eraseUser(user: string): Promise<number> {
    const opened = this.#opened
    if (opened === undefined) return 0
    const { consumer, store } = opened
    const isAbout = ({ type, data }: LogEvent) => type === 'message.updated' || data?.includes(inJson(user)) === true
    const kept = new Map(
      [...store.keptWith(user), ...store.keptWith('message.updated')].map((one) => [one.offset, one]),
    )
    const offsets = [...new Set([...kept.keys(), ...consumer.heldWhere(isAbout)])]
    const found = await this.#eventsKept(opened.spec.topic, offsets)
    const changed = found.filter((event) => kept.has(event.offset) && !isSameData(kept.get(event.offset), event))
    const gone = offsets.filter((offset) => !found.some((event) => event.offset === offset))
    this.#commit(() => {
      for (const event of changed) store.replace(event)
      consumer.replace(found)
      consumer.forget(gone)
    })
    return changed.length + gone.length
  }

  /** The events with these offsets that the log still has, in as many calls as they need. */
  async #eventsKept(topic: string, offsets: readonly number[]): Promise<LogEvent[]> {
    const { tenant } = ownName(this.ctx.id.name)
    const found: LogEvent[] = []
    for (let rest = offsets.slice(); rest.length > 0;) {
      const asked = rest.slice(0, keptAtOnce)
      const page = await callEventLog(this.env, tenant, topic, (log) => log.eventsAt(asked))
      found.push(...page)
      // An answer has as many as fit into it; where it has none, none is left.
      const last = page.at(-1)?.offset ?? asked.at(-1)
      rest = rest.slice(rest.findIndex((offset) => offset === last) + 1)
    }
    return found
  }

  setPaused(isPaused: boolean): boolean {
    if (this.#opened === undefined) return false
    this.#opened.settings.set('paused', isPaused ? 1 : 0)
    this.#opened.settings.set('pausedAt', this.#clock.now())
    this.#changed()
    return true
  }

  /** The webhook that this is; undefined when there is none. */
  webhook(): WebhookView | undefined {
    const { webhook, spec, settings, consumer } = this.#opened ?? {}
    if (webhook === undefined || spec === undefined || settings === undefined || consumer === undefined)
      return undefined
    const isPaused = settings.number('paused') === 1 && !webhook.rules.isDisabled
    const { state, since, reason } = isPaused
      ? { state: 'paused' as const, since: settings.number('pausedAt'), reason: null }
      : webhook.rules.health
    const { settled } = consumer.position
    return {
      spec,
      state,
      since,
      reason,
      settled,
      waiting: consumer.figures.retrying,
      replaying: webhook.replays().length,
    }
  }

  /** Goes on with the endpoint of a webhook that is paused, failing or disabled. */
  enable(): boolean {
    const { webhook, settings } = this.#opened ?? {}
    if (webhook === undefined || settings === undefined) return false
    this.#commit(() => {
      settings.set('paused', 0)
      webhook.rules.enable(this.#clock.now())
    })
    this.#changed()
    return true
  }

  /** The log of deliveries of a webhook below an offset, the newest events first. */
  deliveries(below: number, limit: number, state: DeliveryState | undefined): LoggedDelivery[] {
    return this.#opened?.webhook?.log.deliveries(below, limit, state, this.#clock.now()) ?? []
  }

  /** Posts one event of a webhook again. */
  async redeliver(offset: number): Promise<{ readonly kind: 'redelivering' } | Refusal> {
    const opened = this.#opened
    if (opened === undefined) return refuse('notFound', 'webhook: it does not exist')
    const { tenant } = ownName(this.ctx.id.name)
    const found = await callEventLog(this.env, tenant, opened.spec.topic, (log) => log.eventsAt([offset]))
    if (found.length === 0) return refuse('notFound', 'delivery: there is none, or its event is no longer kept')
    this.#commit(() => opened.consumer.handOutAgain(found, this.#clock.now()))
    this.#changed()
    return { kind: 'redelivering' }
  }

  /** Hands events that were settled out again. */
  replay(replay: Replay): { readonly kind: 'replaying' } | Refusal {
    const { webhook } = this.#opened ?? {}
    if (webhook === undefined) return refuse('notFound', 'webhook: it does not exist')
    if (!webhook.addReplay(replay))
      return refuse('limitExceeded', `replay: at most ${maxReplays} of a webhook at once; wait for one to end`)
    this.#changed()
    return { kind: 'replaying' }
  }

  /** Continues behind `offset`; see `Consumer.seek`. */
  seek(offset: number): boolean {
    const opened = this.#opened
    if (opened === undefined) return false
    this.#commit(() => {
      opened.consumer.seek(offset)
      opened.settings.set('startedAfter', offset)
    })
    this.#changed()
    return true
  }

  /** Leases up to `max` events for `leaseMs`. Waits up to `waitMs` while there are none. */
  async pull(max: number, leaseMs: number, waitMs: number): Promise<PulledEvents | Refusal> {
    const until = this.#clock.now() + waitMs
    for (let isFirst = true; ; isFirst = false) {
      const opened = this.#opened
      if (opened === undefined) return refuse('notFound', 'consumer: it does not exist')
      if (opened.spec.push !== null) return refuse('conflict', 'consumer: its events are pushed; it cannot be pulled')
      await this.#readAhead(opened, isFirst)
      const pulled = opened.settings.number('paused') === 1 ? undefined : await this.#lease(opened, max, leaseMs)
      if (pulled !== undefined) return pulled
      const now = this.#clock.now()
      if (now >= until) return { kind: 'pulled', lease: null, until: null, events: [] }
      if (this.#waiting.size >= maxWaiting)
        return refuse('tooManyRequests', `pulls: at most ${maxWaiting} of a consumer wait at once`, 1000)
      await this.#wait(Math.min(until, Math.max(opened.consumer.nextDue() ?? until, now + 10)) - now)
    }
  }

  /** Settles leased events; returns the offsets whose lease was over. */
  async settle({
    lease,
    done,
    failed,
  }: SettleCall): Promise<{ readonly kind: 'settled'; readonly late: readonly number[] } | Refusal> {
    const opened = this.#opened
    if (opened === undefined) return refuse('notFound', 'consumer: it does not exist')
    await this.#readAhead(opened, true)
    const outcomes: (readonly [number, DeliveryOutcome])[] = [
      ...done.map((offset) => [offset, { kind: 'done' }] as const),
      ...failed.map(({ offset, reason, delayMs }) => [offset, { kind: 'retry', reason, delayMs }] as const),
    ]
    const late = this.#commit(() =>
      outcomes
        .filter(([offset, outcome]) => !opened.consumer.acknowledge(lease, offset, outcome, this.#clock.now()))
        .map(([offset]) => offset),
    )
    for (const [offset, outcome] of outcomes) if (!late.includes(offset)) countDelivery(outcome)
    this.#changed()
    return { kind: 'settled', late }
  }

  /** What this consumer did with events of its topic. The log is asked for data only where a condition needs it. */
  async progressOf(events: readonly SeenEvent[]): Promise<readonly EventProgress[]> {
    const opened = this.#opened
    if (opened === undefined) return []
    const { spec, consumer, settings } = opened
    const whole = spec.condition === null ? new Map<number, LogEvent>() : await this.#eventsAt(spec.topic, events)
    const startedAfter = settings.number('startedAfter')
    return events.map((seen) => {
      const event = spec.condition === null ? { ...seen, data: null, attributes: {} } : whole.get(seen.offset)
      const progress = consumer.progressOf(seen.offset, event)
      const isSkipped =
        seen.offset <= startedAfter && (progress.state === 'acknowledged' || progress.state === 'passed')
      return { offset: seen.offset, ...(isSkipped ? { state: 'skipped' } : progress) }
    })
  }

  async #eventsAt(topic: string, events: readonly SeenEvent[]): Promise<Map<number, LogEvent>> {
    const { tenant } = ownName(this.ctx.id.name)
    const offsets = events.map(({ offset }) => offset)
    const found = await callEventLog(this.env, tenant, topic, (log) => log.eventsAt(offsets))
    return new Map(found.map((event) => [event.offset, event]))
  }

  deadLetters(after: number, limit: number): DeadLetter[] {
    return this.#opened?.store.deadAfter(after, limit) ?? []
  }

  /** Hands the oldest dead letters out again; returns how many. */
  redrive(limit: number): number {
    const opened = this.#opened
    if (opened === undefined) return 0
    const redriven = this.#commit(() => opened.consumer.redrive(limit, this.#clock.now()))
    this.#changed()
    return redriven
  }

  /** Deletes the oldest dead letters; returns how many. */
  deleteDead(limit: number): number {
    const opened = this.#opened
    if (opened === undefined) return 0
    const removed = this.#commit(() => opened.store.dead.take(limit).length)
    this.#changed()
    return removed
  }

  /** Secrets that sign posts, the newest first. */
  secrets(): string[] {
    return this.#secrets.current(this.#clock.now())
  }

  rotateSecret(): string[] {
    return this.#secrets.rotate(this.#clock.now())
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    this.#armedFor = Infinity
    await this.#push()
  }

  #open(spec: ConsumerSpec): Opened {
    const { sql } = this.ctx.storage
    const store = new SqlConsumerStore(sql)
    const consumer = new Consumer(store, spec, Math.random)
    const settings = new Settings(sql, true)
    const webhook =
      spec.webhook === null ? undefined : new OwnWebhook(ownName(this.ctx.id.name).tenant, sql, settings, consumer)
    const pusher = new Pusher(consumer, {
      now: () => this.#clock.now(),
      read: async (after, limit) => await this.#read(after, limit),
      post: async (delivery) => {
        const posted = await this.#post(delivery)
        const result =
          webhook === undefined || this.#opened?.store !== store
            ? posted
            : this.#commit(() => webhook.rules.note(delivery, posted, this.#clock.now()))
        countDelivery(result.outcome)
        return result
      },
      commit: (change) => {
        // Posts may be under way when a consumer is deleted.
        if (this.#opened?.store !== store) throw new Error('the consumer was deleted')
        return this.#commit(change)
      },
      nextTask: () => scheduler.wait(0),
      isPaused: () =>
        settings.number('paused') === 1 || this.#opened?.spec.push === null || webhook?.rules.isDisabled === true,
    })
    return { settings, store, consumer, pusher, webhook, spec }
  }

  #changed(): void {
    for (const wake of this.#waiting) wake()
    const opened = this.#opened
    if (opened === undefined || opened.spec.push === null) return
    opened.pusher.noteChange()
    if (opened.webhook?.hasReplays === true) this.ctx.waitUntil(this.#replay(opened, opened.webhook))
    if (!opened.pusher.isRunning) this.ctx.waitUntil(this.#run())
  }

  /** Pushes what can be pushed now; the alarm does so again where this breaks off. */
  async #run(): Promise<void> {
    this.#arm(this.#clock.now() + resumeMs)
    await this.#push()
  }

  /** Never rejects. An alarm that breaks off is repeated by the platform, so that it sets no further one: an idle consumer has none. */
  async #push(): Promise<void> {
    const opened = this.#opened
    if (opened === undefined || opened.spec.push === null) return
    // The alarm that stood behind the run under way has rung: it needs another one in case the actor ends meanwhile.
    if (opened.pusher.isRunning) return this.#arm(this.#clock.now() + resumeMs)
    try {
      await opened.pusher.run()
    } catch (thrown) {
      log.warn('event-consumer.run-failed', { ...ownName(this.ctx.id.name), reason: reasonOf(thrown) })
      this.#arm(this.#clock.now() + againMs)
    }
    if (opened.webhook !== undefined) await this.#endOfRun(opened, opened.webhook)
    const next = opened.pusher.nextRun()
    if (next !== undefined) this.#arm(Math.max(next, this.#clock.now() + 50))
  }

  /** Hands out what is to be replayed, as far as there is room. Never rejects; the alarm goes on with it. */
  async #replay({ pusher }: Opened, webhook: OwnWebhook): Promise<void> {
    try {
      const added = await webhook.goOn(
        (after, limit) => this.#read(after, limit),
        (change) => this.#commit(change),
        () => this.#clock.now(),
      )
      if (added > 0) pusher.noteChange()
      if (added > 0 && !pusher.isRunning) this.ctx.waitUntil(this.#run())
    } catch (thrown) {
      log.warn('event-consumer.run-failed', { ...ownName(this.ctx.id.name), reason: reasonOf(thrown) })
    }
    if (webhook.hasReplays) this.#arm(this.#clock.now() + againMs)
  }

  /** What a webhook has to do once nothing can be posted. */
  async #endOfRun(opened: Opened, webhook: OwnWebhook): Promise<void> {
    if (webhook.hasReplays) this.ctx.waitUntil(this.#replay(opened, webhook))
    const notice = webhook.notice()
    if (notice === undefined) return
    try {
      const { tenant } = ownName(this.ctx.id.name)
      await callEventLog(this.env, tenant, opened.spec.topic, (events) => events.append([notice], true))
      webhook.noticed()
    } catch (thrown) {
      log.warn('event-consumer.run-failed', { ...ownName(this.ctx.id.name), reason: reasonOf(thrown) })
      this.#arm(this.#clock.now() + againMs)
    }
  }

  async #read(
    after: number,
    limit: number,
  ): Promise<{ readonly events: readonly LogEvent[]; readonly first: number; readonly top: number }> {
    const { tenant } = ownName(this.ctx.id.name)
    const topic = this.#opened?.spec.topic ?? ''
    const page = await callEventLog(this.env, tenant, topic, (events) => events.read(after, limit))
    if (page.kind === 'refused') throw new Error(page.detail ?? page.error)
    this.#top = Math.max(this.#top, page.top)
    return page
  }

  async #readAhead({ consumer }: Opened, isFirst: boolean): Promise<void> {
    const limit = Math.min(200, consumer.freeSlots())
    if (limit === 0 || (!isFirst && consumer.readTo >= this.#top)) return
    const { events, first } = await this.#read(consumer.readTo, limit)
    this.#commit(() => consumer.take(events, first, this.#clock.now()))
  }

  async #lease({ consumer }: Opened, max: number, leaseMs: number): Promise<PulledEvents | undefined> {
    const now = this.#clock.now()
    const until = now + leaseMs
    const leased = this.#commit(() => consumer.lease(now, max, until, randomToken(8)))
    if (leased === undefined) return undefined
    const { lease, deliveries } = leased
    const texts = await Promise.all(deliveries.map(async ({ event }) => await this.#encoded(event)))
    let bytes = 0
    const events: PulledEvents['events'][number][] = []
    this.#commit(() => {
      for (const [index, { event, attempt }] of deliveries.entries()) {
        const text = texts[index]
        if (text === undefined || text.kind === 'failed')
          consumer.acknowledge(lease.id, event.offset, { kind: 'dead', reason: text?.reason ?? '' }, now)
        else if (bytes > pulledBytes) consumer.acknowledge(lease.id, event.offset, { kind: 'released' }, now)
        else {
          bytes += text.body.length
          events.push({ id: this.#deliveryId(event), attempt, event: text.body })
        }
      }
    })
    return events.length === 0 ? undefined : { kind: 'pulled', lease: lease.id, until, events }
  }

  async #post(delivery: Delivery): Promise<PostResult> {
    const push = this.#opened?.spec.push
    if (push === undefined || push === null) return { outcome: { kind: 'released' }, pauseMs: 1000 }
    try {
      const { event } = delivery
      const text = await this.#encoded(event)
      if (text.kind === 'failed') return { outcome: { kind: 'dead', reason: text.reason } }
      const { tenant } = ownName(this.ctx.id.name)
      const readsAnswer = this.#opened?.webhook !== undefined
      const post = {
        tenant,
        ...push,
        id: this.#deliveryId(event),
        body: text.body,
        secrets: this.secrets(),
        readsAnswer,
      }
      return await postEvent(this.env, delivery, post)
    } catch (thrown) {
      log.warn('event-consumer.post-failed', { ...ownName(this.ctx.id.name), reason: reasonOf(thrown) })
      return { outcome: { kind: 'released' }, pauseMs: againMs }
    }
  }

  #deliveryId({ offset }: LogEvent): string {
    const webhook = this.#opened?.spec.webhook
    if (webhook !== undefined && webhook !== null) return webhookDeliveryId(webhook.name, offset)
    return deliveryId(ownName(this.ctx.id.name).name, this.#opened?.spec.topic ?? '', offset)
  }

  /** The event in the version that the consumer asks for. */
  async #encoded(
    event: LogEvent,
  ): Promise<{ readonly kind: 'text'; readonly body: string } | { readonly kind: 'failed'; readonly reason: string }> {
    const versions = this.#opened?.spec.versions ?? {}
    const version = Object.hasOwn(versions, event.type) ? versions[event.type] : undefined
    if (version === undefined || version <= event.version) return { kind: 'text', body: encodeEvent(event) }
    const type = await this.#type(event.type, version)
    const upcast = type?.upcast(event.data, event.version, version)
    if (upcast === undefined) return { kind: 'failed', reason: `there is no type ${event.type}` }
    return upcast.kind === 'failed' ? upcast : { kind: 'text', body: encodeEvent({ ...event, ...upcast }) }
  }

  async #type(name: string, version: number): Promise<CompiledType | undefined> {
    const known = this.#types.get(name)
    if (known !== undefined && known.newest >= version) return known
    const type = await callEventCatalog(this.env, ownName(this.ctx.id.name).tenant, (catalog) => catalog.type(name))
    if (type === undefined) return undefined
    const compiled = new CompiledType(type)
    this.#types.set(name, compiled)
    return compiled
  }

  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#waiting.add(resolve)
    await promise
    clearTimeout(timer)
    this.#waiting.delete(resolve)
  }

  /** All or nothing. What is in memory cannot be rolled back, so after a failure the actor starts anew from its store. */
  #commit<T>(change: () => T): T {
    try {
      return this.ctx.storage.transactionSync(change)
    } catch (thrown) {
      log.error('event-consumer.change-failed', { ...ownName(this.ctx.id.name), reason: reasonOf(thrown) })
      this.ctx.abort(`the consumer could not be changed: ${reasonOf(thrown)}`)
      throw thrown
    }
  }

  /** The earliest time counts. */
  #arm(at: number): void {
    if (this.#armedFor <= at) return
    this.#armedFor = at
    void this.#place.alarm.setAlarm(at)
  }
}

const isSameData = (one: LogEvent | undefined, other: LogEvent): boolean =>
  one?.data === other.data && one.key === other.key

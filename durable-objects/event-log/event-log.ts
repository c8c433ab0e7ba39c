import { z } from 'zod'
import { append, type Appended } from '../../src/event-log/append.ts'
import { eventFigures } from '../../src/event-log/event-figures.ts'
import { defaultRetention, firstKept, lowestWhere, removeOld, type Retention } from '../../src/event-log/retention.ts'
import type { Env } from '../../src/env.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import { ownTopic } from '../../src/events/own-topic.ts'
import {
  correlationOf,
  type EventName,
  type EventWait,
  type LogEvent,
  type NewEvent,
} from '../../src/events/log-event.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { eventConsumerOf, eventWaiterOf, ownName, processViewOf } from '../address.ts'
import type {
  ErasedEvents,
  EventLogRpc,
  EventsBehind,
  EventLogState,
  EventReadAnswer,
  WaitAnswer,
} from '../contracts.ts'
import { whenPlaceIsFree } from '../open-actors.ts'
import { Batcher } from '../shared/batcher.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Settings } from '../shared/settings.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { OwnEventEraser } from './own-event-eraser.ts'
import { eventLogSchema } from './schema.ts'
import { SqlEventStore } from './sql-event-store.ts'
import { maxWaits, WaitTable } from './wait-table.ts'

/** How soon after an append the alarm checks whether consumers and waiters were notified. */
const remindMs = 5000
const maxRemindMs = 60_000
/** Bytes of one answer with events. */
const pageBytes = 1_048_576
/** With a notification a consumer gets the new events where they are so few, so that it need not ask for them. */
const givenEvents = 20
const givenBytes = 32_768
/** Kept events that a new wait looks through for its event. */
const maxLookedThrough = 10_000
const waitersAtOnce = 50
/** Events that are looked up by their offsets in one call. */
const maxOffsets = 500

const storedRetention: z.ZodType<Retention> = z.object({ maxAgeSeconds: z.number(), maxBytes: z.number() })

const processPrefix = 'process/'

/** The process that reads the topic under this name; undefined for a consumer, whose name has no slash. */
const processIn = (reader: string): string | undefined =>
  reader.startsWith(processPrefix) ? reader.slice(processPrefix.length) : undefined

/** Events of one call; of Parley's own ones source and id say whether they are the same. */
interface AppendCall {
  readonly events: readonly NewEvent[]
  readonly isOwn: boolean
  /** Own events whose messages were deleted. */
  readonly emptied: readonly EventName[]
}

interface Tables {
  readonly settings: Settings
  readonly events: SqlEventStore
  readonly waits: WaitTable
}

/**
 * The events of one topic of a tenant, in order. An event is accepted when it is a row here; consumers and actors that wait for it
 * are notified after the commit, at once and by the alarm until they answer.
 */
export class EventLog extends TenantActor implements EventLogRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'event-log')
  readonly #appender = new Batcher<AppendCall, Appended>((calls) => this.#appendAll(calls))
  #tables: Tables | undefined = isUsed(this.ctx.storage.sql) ? this.#open() : undefined
  /** The newest offset that each consumer is known to have been notified of, in this instance. */
  readonly #notified = new Map<string, number>()
  readonly #notifying = new Set<string>()
  /** The newest offset before the last append. */
  #topBefore = 0
  #isNotifyingWaiters = false
  #armedFor = Infinity
  #remindMs = remindMs

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (this.#tables !== undefined)
      void ctx.blockConcurrencyWhile(async () => {
        this.#armedFor = (await ctx.storage.getAlarm()) ?? Infinity
      })
  }

  /**
   * Appends these events in their order, or none; see `append`. Calls that arrive together share a commit. The own events `emptied` lose the
   * content of their messages.
   */
  async append(events: readonly NewEvent[], isOwn = false, emptied: readonly EventName[] = []): Promise<Appended> {
    if (this.#tables === undefined && this.#isUnknown()) return this.#unknown()
    return await this.#appender.add({ events, isOwn, emptied })
  }

  /** Erases a user from Parley's own events after an offset, some with each call; see `OwnEventEraser`. */
  eraseUser(erased: ErasedUser, after: number): ErasedEvents {
    const eraser = this.#eraser()
    if (eraser === undefined) return { erased: 0, next: null, unknown: [] }
    return this.ctx.storage.transactionSync(() => eraser.eraseSome(erased, after))
  }

  /** Erases the texts of edits that are of messages of the user. */
  eraseEdits(erased: ErasedUser, offsets: readonly number[]): number {
    return this.ctx.storage.transactionSync(() => this.#eraser()?.eraseEdits(erased, offsets) ?? 0)
  }

  /** Events after an offset, in order: at most `limit` of them and 1 MiB. */
  read(after: number, limit: number): EventReadAnswer {
    if (this.#tables === undefined)
      return this.#isUnknown()
        ? this.#unknown()
        : { kind: 'page', events: [], first: 1, top: 0, now: this.#clock.now() }
    const { events } = this.#tables
    const now = this.#clock.now()
    const first = firstKept(events, this.#retention(), now)
    const page = events.read(Math.max(after, first - 1), limit, pageBytes)
    return { kind: 'page', events: page, first, top: events.top, now }
  }

  /** The events with these offsets that are kept, up to 1 MiB. */
  eventsAt(offsets: readonly number[]): readonly LogEvent[] {
    const found: LogEvent[] = []
    let bytes = 0
    for (const offset of offsets.slice(0, maxOffsets)) {
      const event = this.#tables?.events.at(offset)
      if (event === undefined) continue
      bytes += event.data?.length ?? 0
      if (bytes > pageBytes) break
      found.push(event)
    }
    return found
  }

  /** The offset behind which the events appended at `time` or later are. */
  offsetBefore(time: number): number {
    if (this.#tables === undefined) return 0
    const { events } = this.#tables
    return lowestWhere(events.first, events.top, (offset) => events.atOf(offset) >= time) - 1
  }

  /** Creates the topic or changes how long it keeps events. */
  configure(retention: Retention): void {
    const { settings, events } = this.#create()
    settings.set('retention', JSON.stringify(retention))
    if (events.first <= events.top) this.#arm(this.#clock.now())
  }

  /** Undefined for a topic that does not exist. */
  state(): EventLogState | undefined {
    const retention = this.#retention()
    if (this.#tables === undefined)
      return this.#isUnknown() ? undefined : { ...retention, first: 1, top: 0, bytes: 0, consumers: [], waits: 0 }
    const { events, waits } = this.#tables
    const first = firstKept(events, retention, this.#clock.now())
    const bytes = first > events.top ? 0 : events.totalOf(events.top) - events.totalOf(first)
    const consumers = this.#consumers().filter((name) => processIn(name) === undefined)
    return { ...retention, first, top: events.top, bytes, consumers, waits: waits.size }
  }

  /** A consumer, or a process as `process/<name>`, is notified of new events from now on. */
  addConsumer(name: string): void {
    this.#create()
    this.ctx.storage.sql.exec('INSERT OR IGNORE INTO consumers (name) VALUES (?)', name)
    this.#notifyConsumer(name)
  }

  removeConsumer(name: string): void {
    if (this.#tables !== undefined) this.ctx.storage.sql.exec('DELETE FROM consumers WHERE name = ?', name)
    this.#notified.delete(name)
  }

  /** Looks for an event that is kept already, or notes the wait; see docs/design/events.md. */
  awaitEvent(wait: EventWait): WaitAnswer {
    if (this.#tables === undefined && this.#isUnknown()) return this.#unknown()
    const { events, waits } = this.#create()
    const found = this.#findKept(events, wait)
    if (found !== undefined) {
      waits.remove(wait.id)
      return { kind: 'found', event: found }
    }
    if (waits.size >= maxWaits) return refuse('limitExceeded', `waits: at most ${maxWaits} for a topic`)
    waits.add(wait)
    return { kind: 'waiting' }
  }

  endWait(id: string): void {
    this.#tables?.waits.remove(id)
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#place.used()
    this.#armedFor = Infinity
    if (this.#tables === undefined) return
    const now = this.#clock.now()
    const { settings, events, waits } = this.#tables
    try {
      settings.set('top', events.top)
      const next = removeOld(events, this.#retention(), now)
      waits.expire(now)
      if (next !== undefined) this.#arm(Math.max(next, now + 50))
    } catch (thrown) {
      log.error('event-log.alarm-failed', { reason: reasonOf(thrown) })
      this.#arm(now + maxRemindMs)
    }
    this.#notifyAll()
    this.#remind(now)
  }

  #appendAll(calls: readonly AppendCall[]): Appended[] {
    const now = this.#clock.now()
    const { events, waits } = this.#create()
    const before = events.top
    let hasFound = false
    const answers = calls.map((call) =>
      append(
        events,
        call.events,
        now,
        (event) => {
          hasFound = waits.noteEvent(event) || hasFound
        },
        call.isOwn,
      ),
    )
    for (const call of calls) if (call.emptied.length > 0) this.#eraser()?.empty(call.emptied)
    const given = answers.reduce((sum, answer) => sum + (answer.kind === 'appended' ? answer.events.length : 0), 0)
    eventFigures.appended += events.top - before
    eventFigures.duplicates += given - (events.top - before)
    if (events.top === before) return answers
    this.#remindMs = remindMs
    this.#topBefore = before
    if (hasFound || this.#consumers().length > 0) {
      this.#arm(now + remindMs)
      this.#notifyAll()
    } else this.#arm(now + this.#retention().maxAgeSeconds * 1000)
    return answers
  }

  /** Content of other topics is the tenant's own. */
  #eraser(): OwnEventEraser | undefined {
    const isOwn = ownName(this.ctx.id.name).name === ownTopic
    return isOwn && this.#tables !== undefined ? new OwnEventEraser(this.#tables.events) : undefined
  }

  #findKept(events: SqlEventStore, { type, correlation, after }: EventWait): LogEvent | undefined {
    const from = Math.max(
      after,
      firstKept(events, this.#retention(), this.#clock.now()) - 1,
      events.top - maxLookedThrough,
    )
    for (let position = from; position < events.top;) {
      const page = events.read(position, 500, pageBytes)
      const found = page.find((event) => event.type === type && correlationOf(event) === correlation)
      if (found !== undefined) return found
      position = page.at(-1)?.offset ?? events.top
    }
    return undefined
  }

  #notifyAll(): void {
    for (const name of this.#consumers()) this.#notifyConsumer(name)
    if (!this.#isNotifyingWaiters) this.ctx.waitUntil(this.#notifyWaiters())
  }

  #notifyConsumer(name: string): void {
    const top = this.#tables?.events.top ?? 0
    if (this.#notifying.has(name) || (this.#notified.get(name) ?? 0) >= top) return
    this.#notifying.add(name)
    this.ctx.waitUntil(this.#callConsumer(name, top))
  }

  /** One call at a time for each consumer; the next one says what was appended meanwhile. */
  async #callConsumer(name: string, top: number): Promise<void> {
    const { tenant } = ownName(this.ctx.id.name)
    let isNotified = false
    try {
      await whenPlaceIsFree(this.env)
      const process = processIn(name)
      if (process === undefined)
        await eventConsumerOf(this.env, tenant, name).eventsAppended(top, this.#newFor(name, top))
      else await processViewOf(this.env, tenant, process).eventsAppended(ownName(this.ctx.id.name).name, top)
      this.#notified.set(name, top)
      isNotified = true
    } catch (thrown) {
      log.warn('event-log.consumer-not-notified', { tenant, consumer: name, reason: reasonOf(thrown) })
    }
    this.#notifying.delete(name)
    if (isNotified) this.#notifyConsumer(name)
  }

  /** The events that a consumer was not notified of, where they are few. */
  #newFor(name: string, top: number): EventsBehind | undefined {
    const events = this.#tables?.events
    const after = this.#notified.get(name) ?? this.#topBefore
    if (events === undefined || top - after > givenEvents) return undefined
    const first = firstKept(events, this.#retention(), this.#clock.now())
    const found = after < first - 1 ? [] : events.read(after, top - after, givenBytes)
    return found.at(-1)?.offset === top ? { after, first, events: found } : undefined
  }

  async #notifyWaiters(): Promise<void> {
    this.#isNotifyingWaiters = true
    try {
      for (;;) {
        const tables = this.#tables
        const found = tables?.waits.found(waitersAtOnce) ?? []
        if (tables === undefined || found.length === 0) return
        const calls = await Promise.allSettled(found.map(async (wait) => await this.#notifyWaiter(tables, wait)))
        if (calls.some(({ status }) => status === 'rejected')) return
      }
    } finally {
      this.#isNotifyingWaiters = false
    }
  }

  async #notifyWaiter(
    { events, waits }: Tables,
    { id, waiter, offset }: ReturnType<WaitTable['found']>[number],
  ): Promise<void> {
    const { tenant } = ownName(this.ctx.id.name)
    try {
      const event = events.at(offset)
      await whenPlaceIsFree(this.env)
      if (event !== undefined) await eventWaiterOf(this.env, tenant, waiter).eventArrived(id, event)
      waits.remove(id)
    } catch (thrown) {
      log.warn('event-log.waiter-not-notified', { tenant, waiter: waiter.name, reason: reasonOf(thrown) })
      throw thrown
    }
  }

  /** Rings again while a consumer or waiter may not have been notified, with growing pauses. */
  #remind(now: number): void {
    const top = this.#tables?.events.top ?? 0
    const isBehind = this.#consumers().some((name) => (this.#notified.get(name) ?? 0) < top)
    if (!isBehind && (this.#tables?.waits.found(1).length ?? 0) === 0) return
    this.#remindMs = Math.min(maxRemindMs, 2 * this.#remindMs)
    this.#arm(now + this.#remindMs)
  }

  #consumers(): string[] {
    if (this.#tables === undefined) return []
    return this.ctx.storage.sql
      .exec<{ name: string }>('SELECT name FROM consumers ORDER BY name')
      .toArray()
      .map(({ name }) => name)
  }

  #retention(): Retention {
    const text = this.#tables?.settings.get('retention')
    return text === undefined ? defaultRetention : storedRetention.parse(JSON.parse(text))
  }

  /** Whether this topic was never created. `default` needs no creation. */
  #isUnknown(): boolean {
    return this.#tables === undefined && ownName(this.ctx.id.name).name !== 'default'
  }

  #unknown(): Refusal {
    const { name } = ownName(this.ctx.id.name)
    return refuse('notFound', `topic: there is no topic ${name}; PUT /v1/event-topics/${name} creates it`)
  }

  #create(): Tables {
    if (this.#tables !== undefined) return this.#tables
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.ctx.storage.sql, eventLogSchema)
    return (this.#tables = this.#open())
  }

  #open(): Tables {
    const { sql } = this.ctx.storage
    const settings = new Settings(sql, true)
    return { settings, events: new SqlEventStore(sql, settings.number('top')), waits: new WaitTable(sql, true) }
  }

  /** The earliest time counts. */
  #arm(at: number): void {
    if (this.#armedFor <= at) return
    this.#armedFor = at
    void this.#place.alarm.setAlarm(at)
  }
}

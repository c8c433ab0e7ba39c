import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import type { ProcessSpec } from '../../src/processes/definition.ts'
import type { InstanceState } from '../../src/processes/judge.ts'
import { ProcessTracker, type ChangedInstance } from '../../src/processes/tracker.ts'
import { processChannel } from '../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type {
  ProcessInstanceSummary,
  ProcessInstanceView,
  ProcessStats,
  ProcessVersion,
  ProcessViewRpc,
  TopicStart,
} from '../contracts.ts'
import { callEventLog } from '../open-event-actors.ts'
import { HistoryStream } from '../shared/history-stream.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { processViewSchema } from './schema.ts'
import { specText, SqlProcessStore, type StoredProcess } from './sql-process-store.ts'
import { watchedInstance } from './watched-instance.ts'

/** Versions that have instances at a time. */
const maxVersions = 10
/** Events read in one call. */
const pageSize = 500
/** Instances that are judged in one commit when their time has come, and events that are raised in one call. */
const atOnce = 100
/** A run that breaks off is begun again by the alarm after this time, in milliseconds. */
const resumeMs = 30_000
/** Between two tries after a failure. */
const againMs = 5000
/** How long a topic's clock may lag behind this one before it is asked again, in milliseconds. */
const clockMs = 250

interface Opened {
  readonly store: SqlProcessStore
  readonly tracker: ProcessTracker
}

/**
 * One process of a tenant: reads its topics, keeps its instances, and raises an event when an expected one is late. Positions, instances
 * and raised events are one commit.
 */
export class ProcessView extends TenantActor implements ProcessViewRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'process')
  readonly #at = ownName(this.ctx.id.name)
  readonly #stream = new HistoryStream(this.env, this.ctx.storage.sql, this.#at.tenant)
  #opened: Opened | undefined
  /** The newest offset of each topic that it was notified of, in this instance. */
  readonly #tops = new Map<string, number>()
  #isRunning = false
  #isChanged = false
  #armedFor = Infinity

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (!isUsed(ctx.storage.sql)) return
    migrate(ctx.storage.sql, processViewSchema)
    this.#opened = this.#open()
    void ctx.blockConcurrencyWhile(async () => {
      this.#armedFor = (await ctx.storage.getAlarm()) ?? Infinity
    })
  }

  /** Registers a definition as the next version; the same again as the newest is that version. New topics begin at `starts`. */
  define(spec: ProcessSpec, starts: readonly TopicStart[]): ProcessVersion | Refusal {
    const { store } = this.#create()
    const now = this.#clock.now()
    const [newest] = store.versions
    if (newest !== undefined && specText(specOf(newest)) === specText(spec)) return versionOf(newest)
    if (store.versions.length >= maxVersions)
      return refuse('conflict', `versions: ${maxVersions} have instances; wait until those of the oldest have ended`)
    const version = (newest?.definition.version ?? 0) + 1
    this.#commit(() => {
      store.addVersion(version, spec, now)
      const known = new Set(store.topics().map(({ name }) => name))
      for (const { topic, offset, readUpTo } of starts)
        if (spec.topics.includes(topic) && !known.has(topic))
          store.putTopic({ name: topic, position: offset, readUpTo, skipped: 0 })
      this.#forgetUnused(store)
    })
    this.#changed()
    this.#arm(now + resumeMs)
    const [added = { definition: { ...spec, name: this.#at.name, version }, createdAt: now }] = store.versions
    return versionOf(added)
  }

  /** A version in use, or the newest. */
  version(version: number | undefined): ProcessVersion | undefined {
    const versions = this.#opened?.store.versions ?? []
    const found = version === undefined ? versions[0] : versions.find((one) => one.definition.version === version)
    return found === undefined ? undefined : versionOf(found)
  }

  /** Deletes everything the process has; returns the topics that it read. */
  async remove(): Promise<readonly string[]> {
    const topics = this.#opened?.store.topics().map(({ name }) => name) ?? []
    this.#opened = undefined
    this.#armedFor = Infinity
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    return topics
  }

  /** A topic has events up to `top`. Returns at once; they are read afterwards. */
  eventsAppended(topic: string, top: number): void {
    this.#tops.set(topic, Math.max(this.#tops.get(topic) ?? 0, top))
    this.#changed()
    // The topic does not notify again: what breaks off is begun again by the alarm.
    if (this.#opened !== undefined) this.#arm(this.#clock.now() + resumeMs)
  }

  /** An instance with what its events say, and entries of its history after a number. */
  find(correlation: string, after: number, limit: number): ProcessInstanceView | undefined {
    const found = this.#opened?.tracker.judged(correlation)
    if (this.#opened === undefined || found === undefined) return undefined
    const { instance, judgement } = found
    const { n, version } = instance
    const history = this.#opened.store.entries(n, after, limit)
    return { correlation, n, version, state: judgement.state, judgement, history }
  }

  /** Instances with a number below `before`, the newest first. */
  list(state: InstanceState | undefined, before: number, limit: number): readonly ProcessInstanceSummary[] {
    const page = this.#opened?.store.page(state, before, limit) ?? []
    return page.map((one) => ({ correlation: one.correlation, n: one.n, version: one.version, state: one.state }))
  }

  /** Undefined for a process that does not exist. */
  stats(): ProcessStats | undefined {
    if (this.#opened === undefined) return undefined
    const { store } = this.#opened
    return { figures: store.figures, states: store.countsByState(), topics: store.topics() }
  }

  /** Commands of a gateway on the channel of an instance. */
  follow(correlation: string, call: StreamCall): StreamAnswer {
    const channel = processChannel(this.#at.name, correlation)
    const store = this.#opened?.store
    const instance = store?.instance(correlation)
    const version = store?.versions.find(({ definition }) => definition.version === instance?.version)
    if (store === undefined || instance === undefined || version === undefined)
      return this.#stream.execute(call, channel, undefined)
    return this.#stream.execute(call, channel, watchedInstance(store, version.definition, instance))
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#place.used()
    this.#armedFor = Infinity
    await this.#run()
  }

  #open(): Opened {
    const store = new SqlProcessStore(this.ctx.storage.sql, this.#at.name)
    return { store, tracker: new ProcessTracker(store) }
  }

  #create(): Opened {
    this.#place.used()
    if (this.#opened !== undefined) return this.#opened
    requireTenant(this.#at.tenant)
    migrate(this.ctx.storage.sql, processViewSchema)
    this.#opened = this.#open()
    this.#opened.store.epoch = randomToken(8)
    return this.#opened
  }

  #changed(): void {
    if (this.#opened === undefined) return
    this.#isChanged = true
    if (!this.#isRunning) this.ctx.waitUntil(this.#run())
  }

  /** Reads what is new, lets time pass, and raises what is late. Never rejects. */
  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    let hasFailed = false
    try {
      do {
        this.#isChanged = false
        await this.#register()
        hasFailed = await this.#readAll()
        this.#passTime()
        await this.#raise()
      } while (this.#isChanged && this.#opened !== undefined)
    } catch (thrown) {
      log.warn('process-view.run-failed', { ...this.#at, reason: reasonOf(thrown) })
      hasFailed = true
    } finally {
      this.#isRunning = false
    }
    if (hasFailed) this.#arm(this.#clock.now() + againMs)
    this.#armNext(hasFailed ? againMs : clockMs)
  }

  /** Has topics notify this process that do not yet, and those no longer that no version reads. */
  async #register(): Promise<void> {
    const { tenant, name } = this.#at
    for (const topic of this.#opened?.store.unregistered() ?? []) {
      await callEventLog(this.env, tenant, topic, (events) => events.addConsumer(`process/${name}`))
      const store = this.#opened?.store
      if (store !== undefined) this.#commit(() => store.noteRegistered(topic))
    }
  }

  /** Returns whether a topic could not be read: what depends on it is not late meanwhile, and the others go on. */
  async #readAll(): Promise<boolean> {
    let hasFailed = false
    for (const { name } of this.#opened?.store.topics() ?? [])
      try {
        await this.#readTopic(name)
      } catch (thrown) {
        log.warn('process-view.run-failed', { ...this.#at, topic: name, reason: reasonOf(thrown) })
        hasFailed = true
      }
    return hasFailed
  }

  async #readTopic(name: string): Promise<void> {
    for (;;) {
      const opened = this.#opened
      const topic = opened?.store.topics().find((one) => one.name === name)
      if (opened === undefined || topic === undefined) return
      const top = this.#tops.get(name)
      const wanted = this.#nextLookAt()
      const isBehind = top === undefined || topic.position < top
      const isOld = wanted !== undefined && wanted <= this.#clock.now() && topic.readUpTo < wanted
      if (!isBehind && !isOld) return
      const { tenant } = this.#at
      const page = await callEventLog(this.env, tenant, name, (events) => events.read(topic.position, pageSize))
      if (page.kind === 'refused') throw new Error(page.detail ?? page.error)
      // The process may have been deleted meanwhile.
      if (this.#opened !== opened) return
      this.#tops.set(name, Math.max(top ?? 0, page.top))
      this.#announce(this.#commit(() => opened.tracker.take(name, page, this.#clock.now())))
      if (page.events.length === 0) return
    }
  }

  #passTime(): void {
    const opened = this.#opened
    if (opened === undefined) return
    const { store, tracker } = opened
    const { changed, removed } = this.#commit(() => {
      const passed = tracker.passTime(this.#clock.now(), atOnce)
      for (const { correlation } of passed.removed) this.#stream.forget(processChannel(this.#at.name, correlation))
      if (passed.removed.length > 0) this.#forgetUnused(store)
      return passed
    })
    this.#announce(changed)
    if (changed.length + removed.length >= atOnce) this.#isChanged = true
  }

  /** Appends the events that are to be raised. They are rows until their topic has them, and a repeat is the same event. */
  async #raise(): Promise<void> {
    for (;;) {
      const opened = this.#opened
      const raised = opened?.store.raised(atOnce)
      if (opened === undefined || raised === undefined) return
      const { topic, events, last } = raised
      const appended = await callEventLog(this.env, this.#at.tenant, topic, (target) => target.append(events))
      if (this.#opened !== opened) return
      if (appended.kind === 'refused' && appended.error !== 'conflict')
        throw new Error(appended.detail ?? appended.error)
      if (appended.kind === 'refused')
        log.error('process-view.raise-refused', { ...this.#at, reason: appended.detail ?? appended.error })
      this.#commit(() => opened.store.removeRaised(topic, last))
    }
  }

  /** Publishes what was added to instances to the users that follow them. */
  #announce(changed: readonly ChangedInstance[]): void {
    const store = this.#opened?.store
    if (store === undefined) return
    for (const { instance, definition, added } of changed)
      if (definition.watchers.length > 0 && added.length > 0)
        this.ctx.waitUntil(
          this.#stream.publish(watchedInstance(store, definition, instance), instance.entries - added.length),
        )
  }

  #forgetUnused(store: SqlProcessStore): void {
    for (const topic of store.forgetUnused()) {
      store.removeTopic(topic)
      // A topic that still notifies this process does no harm.
      this.ctx.waitUntil(this.#unregister(topic))
    }
  }

  async #unregister(topic: string): Promise<void> {
    const { tenant, name } = this.#at
    try {
      await callEventLog(this.env, tenant, topic, (events) => events.removeConsumer(`process/${name}`))
    } catch (thrown) {
      log.warn('process-view.run-failed', { ...this.#at, reason: reasonOf(thrown) })
    }
  }

  /** When the next instance is to be judged, of the topics. */
  #nextLookAt(): number | undefined {
    const store = this.#opened?.store
    const times = store?.definitions().flatMap(({ version }) => store.nextLookAt(version) ?? []) ?? []
    return times.length === 0 ? undefined : Math.min(...times)
  }

  #armNext(pauseMs: number): void {
    const next = this.#nextLookAt()
    if (next !== undefined && next < Number.MAX_SAFE_INTEGER) this.#arm(Math.max(next + 2, this.#clock.now() + pauseMs))
  }

  /** All or nothing. What is in memory cannot be rolled back, so after a failure the actor starts anew from its store. */
  #commit<T>(change: () => T): T {
    try {
      return this.ctx.storage.transactionSync(change)
    } catch (thrown) {
      log.error('process-view.change-failed', { ...this.#at, reason: reasonOf(thrown) })
      this.ctx.abort(`the process could not be changed: ${reasonOf(thrown)}`)
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

function specOf({ definition }: StoredProcess): ProcessSpec {
  const { name: _name, version: _version, ...spec } = definition
  return spec
}

const versionOf = (stored: StoredProcess): ProcessVersion => ({
  kind: 'version',
  version: stored.definition.version,
  createdAt: stored.createdAt,
  spec: specOf(stored),
})

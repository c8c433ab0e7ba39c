import type { Env } from '../../src/env.ts'
import type { LogEvent } from '../../src/events/log-event.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { count, percentile } from '../../src/kernel/histogram.ts'
import { KnownFor } from '../../src/kernel/known-for.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { sagaChannel } from '../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import { advance, nextDueAt, resume, settle, type Outcome, type RunContext } from '../../src/sagas/advance.ts'
import { planOf, type Definition, type Plan, type Step } from '../../src/sagas/definition.ts'
import { eventResult } from '../../src/sagas/event-result.ts'
import { cancel, eventArrived, retryStep, signal, skipStep, type Intervention } from '../../src/sagas/interventions.ts'
import { SagaMetrics } from '../../src/sagas/metrics.ts'
import { eventsOf, publishForMs, removePublished } from '../../src/sagas/run-events.ts'
import { ownSaga, ownSagasTenant } from '../../src/sagas/own.ts'
import { documentOf, newRun, stateOf, stepOf, type Effect, type Run } from '../../src/sagas/run.ts'
import { summaryOf, viewOf } from '../../src/sagas/view.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName, sagaCatalogOf } from '../address.ts'
import type {
  ContextService,
  NewSagaRun,
  SagaRpc,
  SagaRunPage,
  SagaRunQuery,
  SagaRunView,
  SagaRunStatus,
  SagaStarted,
} from '../contracts.ts'
import { callEventLog } from '../open-event-actors.ts'
import { HistoryStream } from '../shared/history-stream.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { Batcher } from '../shared/batcher.ts'
import { Calls } from './calls.ts'
import { EndpointPosts } from './endpoint-posts.ts'
import { DefinitionCopies, RunTable } from './run-table.ts'
import { RunPublisher, type RunEvents } from './run-publisher.ts'
import { watchedRun } from './watched-run.ts'
import { neverAt, sagaSchema } from './schema.ts'

/** Runs of one actor that have not ended, at most. */
const maxOpenRuns = 100_000
/** Runs that are looked at at once when they are due, or after a start. */
const runsAtOnce = 100
/** When a run is looked at again that could not be changed, in milliseconds. */
const postponeMs = 3_600_000
/** When recent runs are looked at after a change that was rolled back, in milliseconds. */
const againMs = 1000
/** Rows that one page of a list looks at. */
const scannedRows = 1000
/** For how long the newest version of a definition is known, in milliseconds. */
const newestForMs = 1000
/** How often the figures are written while runs end. */
const saveEveryMs = 30_000
/** A call is stuck after this many times what nearly all calls of its step take, but not within a minute. */
const timesUsual = 3
const leastStuckMs = 60_000
/** Events of one run that are published in one call. */
const eventsAtOnce = 10
/** A percentile of fewer calls says little. */
const usualFrom = 100
/** While so many calls are under way, outcomes and starts wait for others for some milliseconds, and share a commit with them. */
const busyFrom = 4
const gatherMs = 4

interface Settled {
  readonly effect: Effect
  readonly outcome: Outcome
}

/**
 * Runs of a tenant's sagas: one of sixteen actors, each with the runs whose ids hash to its number. Decides, commits, and then
 * makes the calls or lets Workers make them; no run waits for the call of another.
 */
export class Saga extends TenantActor implements SagaRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'saga')
  readonly #tenant = ownName(this.ctx.id.name).tenant
  readonly #runs = new RunTable(this.ctx.storage)
  readonly #definitions = new DefinitionCopies(this.ctx.storage.sql)
  readonly #plans = new WeakMap<Definition, Plan>()
  readonly #newest = new KnownFor<number>(newestForMs, 1000)
  readonly #metrics: SagaMetrics
  readonly #stream = new HistoryStream(this.env, this.ctx.storage.sql, this.#tenant)
  readonly #posts = new EndpointPosts(this.env, this.#tenant)
  readonly #calls = new Calls(
    (effect) => this.#perform(effect),
    (effect, outcome) => void this.#settled.add({ effect, outcome }),
  )
  readonly #starts = new Batcher<{ wanted: NewSagaRun; definition: Definition }, SagaStarted | Refusal>(
    (all) =>
      this.#each(
        all,
        ({ wanted, definition }, now) => this.#start(wanted, definition, now),
        () => refuse('internal'),
      ),
    () => this.#gatherMs,
  )
  readonly #settled = new Batcher<Settled, boolean>(
    (all) =>
      this.#each(
        all,
        ({ effect, outcome }, now) => this.#settle(effect, outcome, now),
        ({ effect }) => this.#postpone(effect.run),
      ),
    () => this.#gatherMs,
  )
  readonly #arrivals = new Batcher<{ wait: string; event: LogEvent }, boolean>((all) =>
    this.#each(
      all,
      ({ wait, event }, now) => this.#takeEvent(wait, event, now),
      () => false,
    ),
  )
  readonly #publisher = new RunPublisher({
    tenant: this.#tenant,
    eventsOf: (run) => this.#eventsOf(run),
    append: (topic, events) => callEventLog(this.env, this.#tenant, topic, (target) => target.append(events)),
    published: (all) => this.#published(all),
  })
  /** Runs that are being changed; `isDue` when their time was looked at. */
  readonly #changed = new Map<
    string,
    { readonly context: RunContext; isDue: boolean; lookAt: number; readonly entriesBefore: number }
  >()
  /** An actor that was only asked has no tables. */
  #isUsed = isUsed(this.ctx.storage.sql)
  #alarmAt = Infinity
  #savedAt = 0
  /** Ends when it is decided what becomes of calls that a former instance had under way. */
  #resuming: Promise<void> | undefined

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (this.#isUsed) migrate(ctx.storage.sql, sagaSchema)
    this.#metrics = new SagaMetrics(ctx.storage.kv.get('metrics'))
    // Where it fails, the alarm begins again.
    if (this.#isUsed) ctx.waitUntil(this.#resumed().catch((thrown: unknown) => this.#alarmFailed(thrown)))
  }

  /** Starts a run; the same id again is the same run. Starts that arrive together share a commit. */
  async start(wanted: NewSagaRun): Promise<SagaStarted | Refusal> {
    this.#use()
    const known = this.#runs.get(wanted.id)
    if (known !== undefined) {
      this.#runs.forget(wanted.id)
      return this.#repeated(known, wanted)
    }
    const definition = await this.#definition(wanted.saga, wanted.version)
    if (definition === undefined) return refuse('notFound', notFoundText(wanted))
    return await this.#starts.add({ wanted, definition })
  }

  find(id: string): SagaRunView | undefined {
    const run = this.#get(id)
    if (run === undefined) return undefined
    const view = viewOf(run)
    this.#runs.forget(id)
    return view
  }

  /** A page of runs, the newest first, with where the next one begins. */
  list(query: SagaRunQuery): SagaRunPage {
    if (!this.#isUsed) return { runs: [], last: undefined }
    const { runs, last } = this.#runs.page(query, scannedRows)
    return { runs: runs.map(summaryOf), last }
  }

  signal(id: string, name: string, data: string | undefined, by: string): SagaRunStatus | Refusal {
    const given: unknown = data === undefined ? null : JSON.parse(data)
    return this.#intervene(id, (context) => signal(context, name, given, by))
  }

  cancel(id: string, reason: string, by: string): SagaRunStatus | Refusal {
    return this.#intervene(id, (context) => cancel(context, reason, by))
  }

  retry(id: string, step: string, by: string): SagaRunStatus | Refusal {
    return this.#intervene(id, (context) => retryStep(context, step, by))
  }

  skip(id: string, step: string, reason: string, result: string | undefined, by: string): SagaRunStatus | Refusal {
    const given: unknown = result === undefined ? null : JSON.parse(result)
    return this.#intervene(id, (context) => skipStep(context, step, { reason, result: given }, by))
  }

  /** Called by the log of a topic, at least once, for the event that a step waits for. */
  async eventArrived(wait: string, event: LogEvent): Promise<void> {
    await this.#arrivals.add({ wait, event })
  }

  /** The figures of a definition's runs in this actor. */
  stats(saga: string) {
    const counts = this.#isUsed ? this.#runs.countsOf(saga) : {}
    const { running = 0, compensating = 0, attention = 0 } = counts
    return { figures: this.#metrics.of(saga), attention, open: running + compensating + attention }
  }

  /** Commands of a gateway on the channel of a run. */
  follow(id: string, call: StreamCall): StreamAnswer {
    const run = this.#get(id)
    const answer = this.#stream.execute(call, sagaChannel(id), run === undefined ? undefined : watchedRun(run))
    this.#runs.forget(id)
    return answer
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Infinity
    try {
      // When recent runs are due is not stored: an alarm that ends before they are found again would be the last.
      await this.#resumed()
      const now = this.#clock.now()
      const due = this.#runs.due(now, runsAtOnce)
      this.#each(
        due,
        (id) => this.#lookAt(id, now),
        (id) => this.#postpone(id),
      )
      this.#runs.noteRecent(now)
      this.#setAlarm(due.length >= runsAtOnce ? now + 10 : this.#runs.nextLookAt())
    } catch (thrown) {
      this.#alarmFailed(thrown)
    }
  }

  #alarmFailed(thrown: unknown): void {
    log.error('sagas.alarm-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
    this.#setAlarm(this.#clock.now() + 10_000)
  }

  #get(id: string): Run | undefined {
    return this.#isUsed ? this.#runs.get(id) : undefined
  }

  #use(): void {
    if (this.#isUsed) return
    requireTenant(this.#tenant)
    migrate(this.ctx.storage.sql, sagaSchema)
    this.#isUsed = true
    this.#resuming = Promise.resolve()
  }

  #start(wanted: NewSagaRun, definition: Definition, now: number): SagaStarted | Refusal {
    const known = this.#runs.get(wanted.id)
    if (known !== undefined) return this.#repeated(known, wanted)
    if (this.#runs.openCount >= maxOpenRuns)
      return {
        ...refuse('tooManyRequests', `runs: ${maxOpenRuns} have not ended; wait until some have`),
        retryAfterMs: 60_000,
      }
    this.#definitions.put(definition)
    const input: unknown = wanted.input === undefined ? null : JSON.parse(wanted.input)
    const { id, watchers, keepMs } = wanted
    const run = newRun(definition, { id, input, watchers, keepMs }, now)
    this.#metrics.of(definition.name).started++
    advance(this.#context(run, definition, now, 0))
    return { kind: 'started', ...statusOf(run), duplicate: false }
  }

  #repeated(run: Run, { saga, version, input }: NewSagaRun): SagaStarted | Refusal {
    const isSame =
      run.definition === saga &&
      (version === undefined || version === run.version) &&
      JSON.stringify(input === undefined ? null : JSON.parse(input)) === JSON.stringify(run.input)
    return isSame
      ? { kind: 'started', ...statusOf(run), duplicate: true }
      : refuse('conflict', `id: "${run.id}" is another run, of ${run.definition} with other input`)
  }

  #settle({ run: id, step, call }: Effect, outcome: Outcome, now: number): boolean {
    const run = this.#runs.get(id)
    if (run === undefined) return false
    const context = this.#contextOf(run, now)
    const { startedAt, phase } = stepOf(run, step)
    const counted = settle(context, step, call, outcome)
    if (counted && phase === 'active') this.#count(run, step, now - startedAt)
    return counted
  }

  #takeEvent(wait: string, event: LogEvent, now: number): boolean {
    const slash = wait.indexOf('/')
    const run = this.#get(wait.slice(0, slash))
    if (run === undefined) return false
    eventArrived(this.#contextOf(run, now), wait.slice(slash + 1), eventResult(event))
    return true
  }

  #count(run: Run, step: string, ms: number): void {
    const { phase, purpose } = stepOf(run, step)
    const figures = this.#metrics.step(run.definition, step)
    if (purpose === 'act' && phase === 'done') {
      figures.done++
      count(figures.durations, ms)
    }
    if (phase === 'failed') figures.failed++
  }

  #intervene(id: string, work: (context: RunContext) => Intervention): SagaRunStatus | Refusal {
    const run = this.#get(id)
    if (run === undefined) return refuse('notFound', `id: there is no run ${id}`)
    const done = this.#changing((now) => work(this.#contextOf(run, now)))
    if (done.kind !== 'done') return refuse(done.kind, done.detail)
    return { kind: 'status', ...statusOf(run) }
  }

  #lookAt(id: string, now: number): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    this.#dropOldEvents(run, now)
    if (run.endedAt > 0 && run.unpublished === undefined && now >= run.endedAt + run.keepMs) {
      this.#runs.delete(id)
      this.#stream.forget(sagaChannel(id))
      return
    }
    // Does nothing to a run that has ended; its events are published again.
    advance(this.#contextOf(run, now))
    const changed = this.#changed.get(id)
    if (changed !== undefined) changed.isDue = true
  }

  #dropOldEvents(run: Run, now: number): void {
    const old = run.unpublished?.findLast(({ at }) => now >= at + publishForMs)
    if (old === undefined) return
    log.error('sagas.event-dropped', {
      tenant: this.#tenant,
      run: run.id,
      reason: 'its topic did not take it in a week',
    })
    removePublished(run, old.n)
  }

  #eventsOf(id: string): RunEvents | undefined {
    const run = this.#runs.get(id)
    const topic = run && this.#definitions.get(run.definition, run.version)?.publish?.topic
    const last = run?.unpublished?.slice(0, eventsAtOnce).at(-1)
    if (run === undefined || topic === undefined || last === undefined) return undefined
    const events = eventsOf(run).slice(0, eventsAtOnce)
    this.#runs.forget(id)
    return { run: id, topic, events, upTo: last.n }
  }

  #published(all: readonly RunEvents[]): void {
    this.#each(
      all,
      ({ run: id, upTo }, now) => {
        const run = this.#runs.get(id)
        if (run !== undefined) removePublished(this.#contextOf(run, now).run, upTo)
      },
      () => undefined,
    )
  }

  async #resumed(): Promise<void> {
    this.#resuming ??= this.#resume()
    try {
      await this.#resuming
    } catch (thrown) {
      this.#resuming = undefined
      throw thrown
    }
  }

  /** Calls that were under way when the actor ended may have had their effect. */
  async #resume(): Promise<void> {
    for (let ids = this.#runs.calling('', runsAtOnce); ids.length > 0;) {
      const last = ids.at(-1) ?? ''
      await this.#resumeAll(ids)
      ids = this.#runs.calling(last, runsAtOnce)
    }
    for (let recent = this.#runs.recentFrom(undefined, runsAtOnce); recent.length > 0;) {
      const last = recent.at(-1)
      await this.#resumeAll(recent.map(({ id }) => id))
      recent = this.#runs.recentFrom(last, runsAtOnce)
    }
  }

  async #resumeAll(ids: readonly string[]): Promise<void> {
    this.#each(
      ids,
      (id, now) => this.#resumeRun(id, now),
      (id) => this.#postpone(id),
    )
    await scheduler.wait(0)
  }

  #resumeRun(id: string, now: number): void {
    const run = this.#runs.get(id)
    if (run !== undefined && !this.#calls.has(id)) resume(this.#contextOf(run, now))
  }

  #contextOf(run: Run, now: number): RunContext {
    const definition = this.#definitions.get(run.definition, run.version)
    if (definition === undefined) throw new Error(`run ${run.id} has a definition that is gone`)
    return this.#context(run, definition, now, run.entries)
  }

  #context(run: Run, definition: Definition, now: number, entriesBefore: number): RunContext {
    const known = this.#changed.get(run.id)
    if (known !== undefined) return known.context
    const plan = this.#plans.get(definition) ?? planOf(definition)
    this.#plans.set(definition, plan)
    const stuckAfterMs = (step: Step) => this.#stuckAfterMs(definition, step)
    const hasCalls = this.#calls.has(run.id)
    const context = { run, definition, plan, now, random: Math.random, effects: [], hasCalls, stuckAfterMs }
    this.#changed.set(run.id, { context, isDue: false, lookAt: Infinity, entriesBefore })
    return context
  }

  #stuckAfterMs({ name, stuckAfterSeconds }: Definition, step: Step): number {
    const atMost = stuckAfterSeconds * 1000
    if (step.call === undefined && step.operation === undefined) return atMost
    const { done, durations } = this.#metrics.step(name, step.name)
    const usual = done < usualFrom ? undefined : percentile(durations, 0.99)
    return usual === undefined ? atMost : Math.min(atMost, Math.max(leastStuckMs, timesUsual * usual))
  }

  /** Changes runs in one commit; then makes their calls, tells their subscribers, and sets the alarm. */
  #changing<T>(change: (now: number) => T, request?: RequestContext): T {
    const now = this.#clock.now()
    try {
      const result = this.ctx.storage.transactionSync(() => {
        const changed = change(now)
        this.#write(now)
        return changed
      })
      this.#announce()
      return result
    } catch (thrown) {
      log.error('sagas.change-failed', { ...idsOf(request), tenant: this.#tenant, reason: reasonOf(thrown) })
      // What is in memory cannot be rolled back; it is read again.
      this.#runs.forgetAll()
      this.#setAlarm(now + againMs)
      throw thrown
    } finally {
      this.#changed.clear()
    }
  }

  /** Does work for each of `all` in one commit; where that fails, for each by itself, so that one run never stops the others. */
  #each<I, O>(all: readonly I[], work: (one: I, now: number) => O, failed: (one: I) => O): O[] {
    try {
      return this.#changing((now) => all.map((one) => work(one, now)))
    } catch {
      return all.map((one) => {
        try {
          return this.#changing((now) => work(one, now))
        } catch {
          return failed(one)
        }
      })
    }
  }

  /** A run that could not be changed is tried again an hour later; the log line of the failure names the reason. */
  #postpone(id: string): boolean {
    log.error('sagas.run-postponed', { tenant: this.#tenant, run: id })
    this.#runs.postpone(id, this.#clock.now() + postponeMs)
    return false
  }

  #write(now: number): void {
    let calls = 0
    const wasIdle = this.#calls.count === 0
    for (const changed of this.#changed.values()) {
      const { context, isDue, entriesBefore } = changed
      changed.lookAt = this.#runs.put(context.run, nextDueAt(context), isDue, now)
      this.#figures(context.run, entriesBefore, now)
      calls += context.effects.length
    }
    const isBusy = calls > 0 || !wasIdle
    if (wasIdle && isBusy) this.#savedAt = now
    // An actor without calls may be gone in a moment, with what it counted.
    if (isBusy && now < this.#savedAt + saveEveryMs) return
    this.#savedAt = now
    this.ctx.storage.kv.put('metrics', this.#metrics.all())
  }

  /** Makes the calls of what was written and tells its subscribers; the platform holds both back until it is durable. */
  #announce(): void {
    for (const { context, lookAt, entriesBefore } of this.#changed.values()) {
      const { run, effects } = context
      this.#setAlarm(lookAt)
      this.#calls.add(effects)
      if (run.watchers.length > 0) this.ctx.waitUntil(this.#stream.publish(watchedRun(run), entriesBefore))
      if (run.unpublished !== undefined) this.#publisher.add(run.id)
      this.#runs.forget(run.id)
    }
    this.ctx.waitUntil(this.#publisher.run())
  }

  #figures(run: Run, entriesBefore: number, now: number): void {
    const figures = this.#metrics.of(run.definition)
    for (const { n, event, step } of run.history) {
      if (n <= entriesBefore || event !== 'stuck') continue
      figures.stuck++
      log.warn('sagas.stuck', { tenant: this.#tenant, run: run.id, saga: run.definition, step: step ?? '' })
    }
    if (run.endedAt !== now) return
    const state = stateOf(run)
    if (state === 'completed' || state === 'compensated') figures[state]++
    count(figures.durations, run.endedAt - run.startedAt)
  }

  get #gatherMs(): number {
    return this.#calls.count < busyFrom ? 0 : gatherMs
  }

  #setAlarm(at: number | undefined): void {
    if (at === undefined || at >= neverAt || at >= this.#alarmAt) return
    // A time that is over would be the alarm that rings now, and be lost with it.
    const soonest = Math.max(Math.ceil(at), this.#clock.now() + 1)
    this.#alarmAt = soonest
    void this.#place.alarm.setAlarm(soonest)
  }

  async #perform(effect: Effect): Promise<Outcome> {
    this.#place.used()
    const run = this.#runs.get(effect.run)
    if (run === undefined || !isStillWanted(run, effect))
      return { kind: 'not-started', reason: 'the run turned back before the call', isUncounted: true, retryInMs: 0 }
    const elsewhere: ContextService | undefined = this.env.EVENTS
    if (elsewhere !== undefined) return await elsewhere.perform(this.#tenant, effect, documentOf(run))
    const { action } = effect
    if ('url' in action && !this.#posts.isFull) return await this.#posts.make(action, effect, documentOf(run))
    return await this.ctx.exports.SagaWorker.perform(this.#tenant, effect, documentOf(run))
  }

  /** The version that was asked for, or the newest as it was a second ago at most. */
  async #definition(name: string, version?: number): Promise<Definition | undefined> {
    if (this.#tenant === ownSagasTenant) return this.#definitions.get(name, version ?? 0) ?? ownSaga(name, version)
    const now = this.#clock.now()
    const known = version ?? this.#newest.get(name, now)
    const copy = known === undefined ? undefined : this.#definitions.get(name, known)
    if (copy !== undefined) return copy
    const found = await sagaCatalogOf(this.env, this.#tenant).find(name, version)
    if (found === undefined) return undefined
    if (version === undefined) this.#newest.set(name, found.definition.version, now)
    return found.definition
  }
}

/** Whether a call has to be made that waited for its turn: not one whose run has turned back, unless it may have had its effect. */
function isStillWanted({ direction, steps }: Run, { step, call, purpose }: Effect): boolean {
  const state = steps[step]
  if (state?.phase !== 'active' || state.call !== call) return false
  return direction === 'forward' || purpose !== 'act' || state.isUncertain
}

const notFoundText = ({ saga, version }: NewSagaRun): string =>
  version === undefined
    ? `saga: there is no saga ${saga}; PUT /v1/sagas/${saga} registers one`
    : `version: saga ${saga} has no version ${version}`

const statusOf = (run: Run) => ({
  id: run.id,
  saga: run.definition,
  version: run.version,
  state: stateOf(run),
})

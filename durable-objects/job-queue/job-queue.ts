import type { Env } from '../../src/env.ts'
import type { NewJob } from '../../src/jobs/model/job.ts'
import { enqueue, type EnqueueResult } from '../../src/jobs/queue/enqueue.ts'
import { cancel } from '../../src/jobs/queue/lifecycle.ts'
import { nextSweep } from '../../src/jobs/queue/next-sweep.ts'
import { changePolicy } from '../../src/jobs/queue/policy-change.ts'
import type { JobState } from '../../src/jobs/model/phase.ts'
import type { Policy } from '../../src/jobs/model/policy.ts'
import type { PollAnswer, PollRequest, ProgressReport } from '../../src/jobs/queue/poll.ts'
import { claimable, Queue } from '../../src/jobs/queue/queue.ts'
import { redrive, redriveAll } from '../../src/jobs/queue/redrive.ts'
import type { QueueReference } from '../../src/jobs/queue/worker-runs.ts'
import type { Schedule, ScheduleSpec, ScheduleUsage } from '../../src/jobs/schedules/schedule.ts'
import { toView, type JobView } from '../../src/jobs/model/view.ts'
import { SigningSecrets } from '../../src/webhooks/endpoint-post.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import { jobQueueOf, ownName, platformOf, tenantOf } from '../address.ts'
import { DueListing } from './due-listing.ts'
import { openStores, type SqlStores } from './sql-stores.ts'
import { FailedJobs } from './failed-jobs.ts'
import { JobDays } from './job-days.ts'
import { JobStream } from './job-stream.ts'
import { listJobs, queueStats } from './job-reports.ts'
import { MaintainedQueue } from './maintained-queue.ts'
import { PersistedMetrics } from './persisted-metrics.ts'
import { QueueNames } from './queue-names.ts'
import { QueueSchedules } from './queue-schedules.ts'
import { Retention } from './retention.ts'
import { PollWaiters, WorkerDispatcher } from './worker-dispatcher.ts'
import { jobQueueSchema } from './schema.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Batcher } from '../shared/batcher.ts'
import { eraseActor } from '../shared/tenant-actor.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import type { EnqueueAnswer, JobPage, JobQueueRpc, PutSchedule, QueueStats } from '../contracts.ts'

/**
 * One queue of a tenant. A job is accepted when it is written here, whatever the state of QStash. Workers are runs of this
 * Worker that the queue dispatches, directly or by QStash; they poll the queue for jobs.
 */
export class JobQueue extends MaintainedQueue implements JobQueueRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'queue')
  readonly #metrics = new PersistedMetrics(this.ctx.storage.kv)
  readonly #pollWaiters = new PollWaiters()
  readonly #enqueuer = new Batcher<{ job: NewJob; request: RequestContext | undefined }, EnqueueAnswer>((all) =>
    this.#changing((now) => all.map(({ job }) => this.#accept(job, now)), all[0]?.request),
  )
  readonly #at: QueueReference
  readonly #stores: SqlStores
  readonly #days: JobDays
  readonly #queue: Queue
  readonly #dispatcher: WorkerDispatcher
  readonly #stream: JobStream
  readonly #names: QueueNames
  readonly #secrets: SigningSecrets
  readonly #schedules: QueueSchedules
  readonly #retention: Retention
  readonly #due: DueListing
  readonly #failures: FailedJobs
  /** Whether nothing was stored when this instance began. */
  #isNew: boolean
  /** Pending while a new queue registers with `default`; a subscription to its jobs is refused until then. Never rejects. */
  #registration: Promise<void> | undefined

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { sql, kv } = ctx.storage
    const { tenant, name: queue } = ownName(ctx.id.name)
    this.#isNew = !isUsed(sql)
    migrate(sql, jobQueueSchema)
    this.#at = { tenant, queue }
    const defaultQueue = () => jobQueueOf(env, tenant, 'default')
    this.#stores = openStores(sql)
    this.#days = new JobDays(sql, this.#stores.jobs)
    this.#secrets = new SigningSecrets(kv)
    const context = {
      name: () => crypto.randomUUID(),
      random: Math.random,
      secrets: (now: number) => this.#secrets.current(now),
      metrics: this.#metrics.metrics,
    }
    this.#queue = new Queue(this.#stores, context, this.#clock.now())
    this.#dispatcher = new WorkerDispatcher(this.#place, env, this.#at, this.#stores.runs)
    const wakeAt = (at: number) => this.#dispatcher.lookAt(at, this.#clock.now())
    this.#failures = new FailedJobs(kv, env, this.#at, this.#stores.jobs, wakeAt, this.#clock.now())
    this.#stream = new JobStream(env, sql, this.#at)
    this.#names = new QueueNames(
      sql,
      queue === 'default'
        ? undefined
        : async () => {
            const registered = await defaultQueue().register(queue)
            if (registered === 'erased') await eraseActor(ctx)
            if (registered === 'published') this.setPublished(true)
          },
    )
    this.#schedules = new QueueSchedules({
      sql,
      stores: this.#stores,
      queue,
      changing: (change, request) => this.#changing(change, request),
      claim: (...usage) => defaultQueue().claimSchedules(...usage),
    })
    this.#retention = new Retention(this.#stores, this.#days, this.#stream)
    this.#due = new DueListing(kv, () => platformOf(env).noteQueues([this.#at]))
  }

  /**
   * Accepts a job; the same id again is the same job. Calls that arrive together share a commit. A `traceparent` of `request`
   * is kept with the job and passed on to its endpoint.
   */
  async enqueue(wanted: NewJob, request?: RequestContext): Promise<EnqueueAnswer> {
    return await this.#registered(request, await this.#enqueuer.add({ job: traced(wanted, request), request }))
  }

  /** Accepts all of these jobs, or none. */
  async enqueueAll(wanted: readonly NewJob[], request?: RequestContext): Promise<EnqueueResult> {
    const jobs = wanted.map((job) => traced(job, request))
    const answer = this.#changing((now) => enqueue(this.#stores, jobs, now), request)
    return await this.#registered(request, answer)
  }

  /** Starts a requested run with up to `capacity` jobs; undefined for a run that is not expected, or that has started already. */
  startRun(run: string, capacity: number, request?: RequestContext): PollAnswer | undefined {
    return this.#changing((now) => this.#queue.startRun(run, capacity, now), request)
  }

  /**
   * Settles what a worker tells and gives it jobs. With nothing to answer it waits, at most `waitMs`: a job that arrives
   * meanwhile starts at once. The run of a worker that has no job then ends with the answer.
   */
  async poll(request: PollRequest, waitMs: number): Promise<PollAnswer> {
    const { workerRun, capacity } = request
    const until = this.#clock.now() + waitMs
    this.#pollWaiters.overtake(workerRun)
    let isLast = waitMs <= 0
    let answer = this.#poll(request, isLast)
    while (!isLast && answer.stay && answer.jobs.length === 0 && answer.stop.length === 0) {
      const now = this.#clock.now()
      const due = Math.min(until, this.#queue.nextDue(now) ?? until)
      const woken = await this.#pollWaiters.wait(workerRun, capacity, Math.max(0, due - now))
      if (woken === 'overtaken') return { jobs: [], secrets: [], stop: [], stay: true }
      isLast = woken === 'timeout' && due === until
      answer = this.#poll({ ...request, settled: [], reports: [] }, isLast)
    }
    return answer
  }

  /** QStash gave a run up. If it never started another is requested; if it did, its worker's silence is noticed. */
  runLost(run: string, request?: RequestContext): void {
    this.#changing(() => this.#stores.runs.remove(run), request)
  }

  /** Notes the progress of a running job that its endpoint reports over HTTP; false when there is no such job. */
  report(report: Omit<ProgressReport, 'run'>, request?: RequestContext): boolean {
    const job = this.#stores.jobs.get(report.id)
    if (job === undefined) return false
    this.#changing((now) => this.#queue.note({ ...report, run: job.run }, now), request)
    return true
  }

  find(id: string): (JobView & { readonly lines: readonly { at: number; line: string }[] }) | undefined {
    const job = this.#stores.jobs.get(id)
    return job === undefined ? undefined : { ...toView(job), lines: this.#stores.lines.of(id) }
  }

  list(state: JobState, cursor: string | undefined, limit: number): JobPage {
    return listJobs(this.ctx.storage.sql, state, cursor, limit)
  }

  cancel(id: string, request?: RequestContext): JobView | undefined {
    const job = this.#changing((now) => cancel(this.#stores, id, now), request)
    return job === undefined ? undefined : toView(job)
  }

  /** Sends a dead or failed job again. */
  redrive(id: string, request?: RequestContext): JobView | Refusal {
    const job = this.#changing((now) => redrive(this.#stores, id, now), request)
    return 'kind' in job ? job : toView(job)
  }

  /** Sends again the oldest dead jobs, up to `limit`; `skipped` counts those that cannot be. */
  redriveAll(limit: number, request?: RequestContext): { redriven: number; skipped: number } {
    return this.#changing((now) => redriveAll(this.#stores, limit, now), request)
  }

  stats(): QueueStats {
    return queueStats(this.ctx.storage.sql, this.#stores, this.#metrics.metrics, this.#clock.now())
  }

  setPolicy(change: Partial<Policy>, request?: RequestContext): Promise<Policy> {
    const policy = this.#changing((now) => changePolicy(this.#stores, change, now), request)
    return this.#registered(request, policy)
  }

  /** At most `limit` schedules after the name `after`, without the payloads of their jobs. */
  schedules(after: string, limit: number): Schedule[] {
    return this.#stores.schedules.after(after, limit)
  }

  schedule(name: string): Schedule | undefined {
    return this.#stores.schedules.get(name)
  }

  /** Creates a schedule or changes it, within the limits of the tenant's queues together. */
  async putSchedule(spec: ScheduleSpec, request?: RequestContext): Promise<PutSchedule | Refusal> {
    return await this.#registered(request, await this.#schedules.put(spec, request))
  }

  removeSchedule(name: string, request?: RequestContext): Promise<boolean> {
    return this.#schedules.remove(name, request)
  }

  /** Called on the queue `default`: notes the usage of another queue's schedules, or refuses it. */
  claimSchedules(queue: string, before: ScheduleUsage, after: ScheduleUsage): Refusal | undefined {
    return this.#schedules.claimShare(queue, before, after)
  }

  /** Secrets that sign the posts of this queue's `http` jobs, the newest first; the first one is made when it is asked for. */
  secrets(request?: RequestContext): Promise<string[]> {
    return this.#registered(request, this.#secrets.current(this.#clock.now()))
  }

  rotateSecret(request?: RequestContext): Promise<string[]> {
    return this.#registered(request, this.#secrets.rotate(this.#clock.now()))
  }

  /** Commands of a gateway on the channel of a job's progress. */
  follow(id: string, call: StreamCall): StreamAnswer {
    return this.#stream.execute(call, (job) => this.#stores.jobs.get(job), id)
  }

  /** Called on the queue `default` by every other queue of the tenant. `erased` says that the tenant is being erased, and that queue with it;
   * `published` that dead letters are published. */
  async register(name: string): Promise<'registered' | 'published' | 'erased'> {
    if (this.#isNew && (await tenantOf(this.env, this.#at.tenant).isErased())) return 'erased'
    this.#names.add(name)
    this.#isNew = false
    return this.#failures.outbox.isOn ? 'published' : 'registered'
  }

  /** Whether a queue other than `default` has registered. */
  hasQueue(name: string): boolean {
    return this.#names.has(name)
  }

  queueNames(): string[] {
    return this.#names.all()
  }

  /**
   * Called by cron while the queue is on the platform's list: deletes jobs whose retention is over, and starts what is due.
   * `nextAt` is when the next call is needed.
   */
  sweep(): QueueStats & { readonly nextAt: number | null } {
    this.#sweeping((now) => {
      this.#retention.forget(now)
      this.#queue.tick(now)
      this.#metrics.save()
    })
    this.ctx.waitUntil(this.#schedules.reportIfNeeded())
    this.ctx.waitUntil(this.#retention.forgetTheRest((forget) => this.#sweeping(forget)))
    const nextAt = nextSweep(this.#stores)
    this.#due.swept(nextAt === 0)
    return { ...this.stats(), nextAt }
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#dispatcher.alarmFired()
    try {
      this.#changing((now) => this.#queue.tick(now))
    } catch (thrown) {
      log.error('jobs.alarm-failed', { ...this.#at, reason: reasonOf(thrown) })
      const now = this.#clock.now()
      this.#dispatcher.lookAt(now + 10_000, now)
    }
    if (this.#failures.outbox.dueAt < Infinity) this.ctx.waitUntil(this.#failures.goOn(() => this.#clock.now()))
  }

  protected override readonly maintained = () => ({
    stores: this.#stores,
    days: this.#days,
    failures: this.#failures,
    isNew: this.#isNew,
    changing: <T>(change: (now: number) => T, isSweep: boolean) => this.#changing(change, undefined, isSweep),
  })

  /** A worker or message that comes late must not bring a queue back that was erased. */
  #requireTenant(): void {
    const { tenant } = this.#at
    requireTenant(tenant)
    this.#isNew = false
  }

  #accept(wanted: NewJob, now: number): EnqueueAnswer {
    const enqueued = enqueue(this.#stores, [wanted], now)
    if (enqueued.kind === 'refused') return enqueued
    const receipt = enqueued.receipts[0]
    return receipt === undefined ? refuse('internal') : { kind: 'queued', ...receipt }
  }

  /** A change that a scheduled task makes: no reason to be swept again. */
  #sweeping<T>(change: (now: number) => T): T {
    return this.#changing(change, undefined, true)
  }

  /** Changes the stores in one commit, and then wakes polls, dispatches runs, sets the alarm and publishes progress. */
  #changing<T>(change: (now: number) => T, request?: RequestContext, isSweep = false): T {
    if (this.#isNew) this.#requireTenant()
    const now = this.#clock.now()
    const changed = this.#commit(() => change(now), request)
    this.#pollWaiters.wakeFor(claimable(this.#stores, now))
    const next = this.#queue.plan(now, this.#dispatcher.reach(now))
    this.#dispatcher.dispatch(next.runs, now, request)
    this.#dispatcher.lookAt(next.lookAt, now)
    const watched = this.#stores.jobs.takeWatched()
    if (watched.length > 0) this.ctx.waitUntil(this.#stream.publish(watched, request))
    if (this.#names.isNew) this.ctx.waitUntil((this.#registration = this.#names.register(request)))
    if (!isSweep && !this.#due.isListed) this.ctx.waitUntil(this.#due.list(request))
    return changed
  }

  /** Returns `answer` once the queue has registered with `default`, or two seconds later. Secrets change nothing that registers it. */
  async #registered<T>(request: RequestContext | undefined, answer: T): Promise<T> {
    await (this.#names.isNew ? this.#names.register(request) : this.#registration)
    return answer
  }

  /** All or nothing. What is in memory cannot be rolled back, so after a failure the actor starts anew from its stores. */
  #commit<T>(change: () => T, request: RequestContext | undefined): T {
    try {
      return this.ctx.storage.transactionSync(change)
    } catch (thrown) {
      log.error('jobs.change-failed', { ...idsOf(request), ...this.#at, reason: reasonOf(thrown) })
      this.ctx.abort(`the queue could not be changed: ${reasonOf(thrown)}`)
      throw thrown
    }
  }

  #poll(request: PollRequest, isLast: boolean): PollAnswer {
    return this.#changing((now) => {
      const answer = this.#queue.poll(request, now, isLast)
      if (!answer.stay) this.#metrics.save()
      return answer
    })
  }
}

const traced = (job: NewJob, request: RequestContext | undefined): NewJob =>
  request?.traceparent === undefined ? job : { ...job, traceparent: request.traceparent }

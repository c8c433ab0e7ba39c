import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../../src/env.ts'
import type { Job, NewJob } from '../../src/jobs/model/job.ts'
import { cancel, changePolicy, type Enqueued, type Receipt } from '../../src/jobs/queue/lifecycle.ts'
import type { JobState } from '../../src/jobs/model/phase.ts'
import type { Policy } from '../../src/jobs/model/policy.ts'
import { Queue, type ProgressReport, type PollRequest, type PollAnswer } from '../../src/jobs/queue/queue.ts'
import { redrive, redriveAll } from '../../src/jobs/queue/redrive.ts'
import { putSchedule, type Schedule } from '../../src/jobs/schedules/schedule.ts'
import { shareWith, type ScheduleShare } from '../../src/jobs/schedules/schedule-share.ts'
import { toView, type JobView } from '../../src/jobs/model/view.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { within } from '../../src/kernel/retry.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import { jobQueueOf, ownName } from '../address.ts'
import { PollWaiters } from './poll-waiters.ts'
import { SqlJobStore } from './sql-job-store.ts'
import { JobDays } from './job-days.ts'
import { JobStream } from './job-stream.ts'
import { listJobs, queueStats, type JobPage, type QueueStats } from './job-reports.ts'
import { PersistedMetrics } from './persisted-metrics.ts'
import { QueueNames } from './queue-names.ts'
import { ScheduleShares } from './schedule-shares.ts'
import { SigningSecrets } from './signing-secrets.ts'
import { WorkerDispatcher } from './worker-dispatcher.ts'
import { Batcher } from './batcher.ts'
import { jobQueueSchema } from './schema.ts'
import { migrate } from '../shared/migrate.ts'

/** What an enqueue of one job is answered with. */
export type Queued = ({ readonly kind: 'queued' } & Receipt) | Refusal

/** Jobs forgotten in one go; the rest follow after a breath, in which others are heard. */
const forgottenTogether = 5000
const breathMs = 50
/** The first job of a new queue waits so long at most for the tenant's list of queues. */
const registrationMs = 2000

/**
 * The ledger of one queue: it decides, QStash carries. A job is accepted when it is written here, wherever QStash is;
 * who works it off comes on a visit that QStash brings, and is told here what to do.
 */
export class JobQueue extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #metrics = new PersistedMetrics(this.ctx.storage.kv)
  readonly #pollWaiters = new PollWaiters()
  readonly #enqueuer = new Batcher<NewJob, Queued>((all) =>
    this.#changing((now) => all.map((job) => this.#accept(job, now))),
  )
  readonly #own = ownName(this.ctx.id.name)
  readonly #store: SqlJobStore
  readonly #days: JobDays
  readonly #queue: Queue
  readonly #dispatcher: WorkerDispatcher
  readonly #stream: JobStream
  readonly #names: QueueNames
  readonly #secrets: SigningSecrets
  readonly #shares: ScheduleShares
  #scheduling = Promise.resolve()
  /** Under way while a new queue makes itself known: a subscription to its jobs is refused until then. Never rejects. */
  #registration: Promise<void> | undefined
  #hasReported = false
  #isForgetting = false

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { sql, kv } = ctx.storage
    migrate(sql, jobQueueSchema)
    this.#store = new SqlJobStore(sql)
    this.#days = new JobDays(sql, this.#store.jobs)
    this.#secrets = new SigningSecrets(kv)
    const context = {
      name: () => randomToken(16),
      random: Math.random,
      secrets: (now: number) => this.#secrets.current(now),
      metrics: this.#metrics.metrics,
    }
    this.#queue = new Queue(this.#store, context, this.#clock.now())
    this.#dispatcher = new WorkerDispatcher(ctx, env, this.#store)
    this.#stream = new JobStream(env, sql, { tenant: this.#own.tenant, queue: this.#own.name })
    this.#names = new QueueNames(sql)
    this.#shares = new ScheduleShares(sql)
  }

  /** Accepts a job; the same id again is the same job. Those that come at the same moment share a commit. */
  async enqueue(wanted: NewJob): Promise<Queued> {
    const queued = await this.#enqueuer.add(wanted)
    await this.#registration
    return queued
  }

  /** Accepts jobs that belong together: all of them, or none. */
  async enqueueAll(wanted: readonly NewJob[]): Promise<Enqueued> {
    const enqueued = this.#changing((now) => this.#queue.enqueue(wanted, now))
    await this.#registration
    return enqueued
  }

  /**
   * Starts a requested run and gives its worker up to `capacity` jobs with what they need; undefined for a run that is not
   * expected, or that has started already.
   */
  startRun(run: string, capacity: number): PollAnswer | undefined {
    return this.#changing((now) => this.#queue.startRun(run, capacity, now))
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

  /** QStash gave a run up. */
  runLost(run: string): void {
    this.#changing(() => this.#queue.runLost(run))
  }

  /** Notes the progress of a running job that its endpoint reports over HTTP; false when there is no such job. */
  report(report: Omit<ProgressReport, 'run'>): boolean {
    const job = this.#store.get(report.id)
    if (job === undefined) return false
    this.#changing((now) => this.#queue.note({ ...report, run: job.run }, now))
    return true
  }

  find(id: string): (JobView & { readonly lines: readonly { at: number; line: string }[] }) | undefined {
    const job = this.#store.get(id)
    return job === undefined ? undefined : { ...toView(job), lines: this.#store.lines(id) }
  }

  list(state: JobState, cursor: string | undefined, limit: number): JobPage {
    return listJobs(this.#store, state, cursor, limit)
  }

  cancel(id: string): JobView | undefined {
    const job = this.#changing((now) => cancel(this.#store, id, now))
    return job === undefined ? undefined : toView(job)
  }

  /** Sends a dead or failed job again. */
  redrive(id: string): JobView | Refusal {
    const job = this.#changing((now) => redrive(this.#store, id, now))
    return 'kind' in job ? job : toView(job)
  }

  /** Sends again the oldest `limit` dead jobs that can be. */
  redriveAll(limit: number): { redriven: number; skipped: number } {
    return this.#changing((now) => redriveAll(this.#store, limit, now))
  }

  stats(): QueueStats {
    return queueStats(this.#store, this.#metrics.metrics, this.#clock.now())
  }

  setPolicy(change: Partial<Policy>): Policy {
    return this.#changing((now) => changePolicy(this.#store, change, now))
  }

  /** At most `limit` schedules behind the name `after`, without the payloads of their jobs. */
  schedules(after: string, limit: number): Schedule[] {
    return this.#store.schedulesAfter(after, limit)
  }

  schedule(name: string): Schedule | undefined {
    return this.#store.schedule(name)
  }

  /** Makes a schedule or changes it, within what the tenant may have in all its queues together. */
  putSchedule(
    wanted: Omit<Schedule, 'madeAt' | 'nextAt' | 'lastAt' | 'note'>,
  ): Promise<{ readonly kind: 'put'; readonly schedule: Schedule } | Refusal> {
    return this.#inTurn(async () => {
      const refused = await this.#claimSchedules(shareWith(this.#store, wanted))
      if (refused !== undefined) return refused
      return { kind: 'put' as const, schedule: this.#changing((now) => putSchedule(this.#store, wanted, now)) }
    })
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const removed = this.#changing(() => this.#store.removeSchedule(name))
      if (removed) await this.#reportSchedules()
      return removed
    })
  }

  /** The queue called default hears what another queue's schedules come to, and refuses what is too much together. */
  claimSchedules(queue: string, before: ScheduleShare, after: ScheduleShare): Refusal | undefined {
    return this.#shares.claim(queue, before, after)
  }

  /** Secrets that sign what this queue's `http` jobs post; the first is the newest. */
  secrets(): string[] {
    return this.#secrets.current(this.#clock.now())
  }

  rotateSecret(): string[] {
    return this.#secrets.rotate(this.#clock.now())
  }

  /** The gateway's side of a job's live progress. */
  follow(id: string, call: StreamCall): StreamAnswer {
    return this.#stream.execute(call, (job) => this.#store.get(job), id)
  }

  /** Every queue of the tenant makes itself known to the one called default. */
  register(name: string): void {
    this.#names.add(name)
  }

  /** Whether a queue other than `default` made itself known. */
  hasQueue(name: string): boolean {
    return this.#names.has(name)
  }

  queueNames(): string[] {
    return this.#names.all()
  }

  /** What cron does for a queue: forgets what ended long ago, and looks whether anything is stuck. */
  sweep(): QueueStats {
    const forgotten = this.#changing((now) => {
      const ended = this.#forget(now)
      this.#queue.tick(now)
      this.#metrics.save()
      return ended
    })
    if (!this.#hasReported && this.#store.scheduleShare().schedules > 0) this.ctx.waitUntil(this.#reportSchedules())
    if (forgotten === forgottenTogether && !this.#isForgetting) this.ctx.waitUntil(this.#forgetTheRest())
    return this.stats()
  }

  /** Jobs it accepted, by day (UTC), from a day on. */
  acceptedSince(day: string): Record<string, number> {
    this.#changing((now) => this.#days.note(now))
    return this.#days.since(day)
  }

  /** Never throws: the platform gives up on an alarm that does, after six tries. */
  override async alarm(): Promise<void> {
    this.#dispatcher.alarmFired()
    try {
      this.#changing((now) => this.#queue.tick(now))
    } catch (thrown) {
      log.error('jobs.alarm-failed', { reason: reasonOf(thrown) })
      const now = this.#clock.now()
      this.#dispatcher.lookAt(now + 10_000, now)
    }
  }

  /** A busy queue ends more between two sweeps than are forgotten in one go. What an eviction leaves is the next sweep's. */
  async #forgetTheRest(): Promise<void> {
    this.#isForgetting = true
    try {
      do await scheduler.wait(breathMs)
      while (this.#changing((now) => this.#forget(now)) === forgottenTogether)
    } finally {
      this.#isForgetting = false
    }
  }

  /** One change of schedules after the other, so that each is counted with those before it. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#scheduling.then(change)
    this.#scheduling = changed.then(
      () => {},
      () => {},
    )
    return changed
  }

  async #claimSchedules(after: ScheduleShare): Promise<Refusal | undefined> {
    const { tenant, name } = this.#own
    const before = this.#store.scheduleShare()
    if (name === 'default') return this.#shares.claim(name, before, after)
    return await jobQueueOf(this.env, tenant, 'default').claimSchedules(name, before, after)
  }

  /** A report that is lost leaves too large a share, until the next change or sweep. */
  async #reportSchedules(): Promise<void> {
    try {
      await this.#claimSchedules(this.#store.scheduleShare())
      this.#hasReported = true
    } catch (thrown) {
      this.#hasReported = false
      log.warn('jobs.schedule-report-failed', { queue: this.#own.name, reason: reasonOf(thrown) })
    }
  }

  #forget(now: number): number {
    this.#days.note(now)
    const forgotten = this.#store.forget(now, forgottenTogether)
    this.#stream.forget()
    return forgotten
  }

  #accept(wanted: NewJob, now: number): Queued {
    const enqueued = this.#queue.enqueue([wanted], now)
    if (enqueued.kind === 'refused') return enqueued
    const receipt = enqueued.receipts[0]
    return receipt === undefined ? refuse('internal') : { kind: 'queued', ...receipt }
  }

  /** Changes the books in one commit, and sees to what follows: doors, visits, the next look, and who watches. */
  #changing<T>(change: (now: number) => T): T {
    const now = this.#clock.now()
    const changed = this.#commit(() => change(now))
    this.#pollWaiters.wakeFor(this.#queue.claimable(now))
    const plan = this.#queue.plan(now, this.#dispatcher.reach(now))
    this.#dispatcher.dispatch(plan.runs, now)
    this.#dispatcher.lookAt(plan.lookAt, now)
    this.#publishProgress(this.#store.takeTouched())
    this.#registerName()
    return changed
  }

  /** All of it or nothing. What is kept in mind cannot be undone like what is written, so after a failure it is read anew. */
  #commit<T>(change: () => T): T {
    try {
      return this.ctx.storage.transactionSync(change)
    } catch (thrown) {
      log.error('jobs.change-failed', { queue: this.#own.name, reason: reasonOf(thrown) })
      this.ctx.abort(`the ledger could not be changed: ${reasonOf(thrown)}`)
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

  #publishProgress(jobs: readonly Job[]): void {
    if (jobs.length > 0) this.ctx.waitUntil(this.#stream.tell(jobs))
  }

  #registerName(): void {
    const { tenant, name } = this.#own
    if (name === 'default' || !this.#names.isNew()) return
    const introduction = jobQueueOf(this.env, tenant, 'default').register(name)
    const registration = this.#names.introduced(within(registrationMs, 'the queue default', introduction))
    this.#registration = registration
    this.ctx.waitUntil(registration)
  }
}

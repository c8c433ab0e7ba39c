import type { QueueStores } from './stores.ts'
import { collectedBytes, type Job } from '../model/job.ts'
import type { JobMetrics } from '../metrics/job-metrics.ts'
import { collectResults } from './dependencies.ts'
import { enterKeyQueue, takePlace } from './key-queue.ts'
import type { Assignment, AttemptReference, AttemptResult, PollAnswer, PollRequest, ProgressReport } from './poll.ts'
import { allowance, nextAllowed, spend } from '../model/rate.ts'
import { hasEnded, phases } from '../model/phase.ts'
import { fireDue, paceMs } from '../schedules/schedule-runs.ts'
import { lostOutcome, settle } from './settle.ts'
import {
  nextLook,
  overdueAt,
  returnMs,
  runsToRequest,
  silenceMs,
  type QueueLoad,
  type RequestedRun,
} from './worker-runs.ts'

/** What the queue must do next: runs to start, and when to look again. */
export interface NextActions {
  readonly runs: readonly RequestedRun[]
  readonly lookAt: number | undefined
}

/** What a queue is given beside its stores. */
export interface QueueContext {
  /** A name for a new run. */
  readonly name: () => string
  /** A random number in [0,1). */
  readonly random: () => number
  readonly secrets: (now: number) => readonly string[]
  readonly metrics?: JobMetrics
}

interface WorkerPresence {
  readonly seenAt: number
  /** `busy` with the jobs it was just given and about to poll, `idle` with free capacity, or `full`. */
  readonly state: 'busy' | 'idle' | 'full'
}

/**
 * One queue: its stores, and which workers are present, in memory only. After a loss of memory the worker of every active
 * job is taken for present and has `returnMs` to poll again.
 */
export class Queue {
  readonly #stores: QueueStores
  readonly #context: QueueContext
  readonly #workers = new Map<string, WorkerPresence>()
  /** Since when more runs of schedules are due than were enqueued, and when the next are enqueued. */
  #backlog: { readonly since: number; readonly nextAt: number } | undefined

  constructor(stores: QueueStores, context: QueueContext, now: number) {
    this.#stores = stores
    this.#context = context
    for (const job of stores.jobs.upTo(phases.active, Infinity, 100_000))
      if (job.workerRun !== null) this.#noteWorker(job.workerRun, 'busy', now + returnMs - silenceMs)
  }

  /**
   * Starts a requested run and gives its worker up to `capacity` jobs. Each run starts once: for a copy of it, and for a
   * run that was not requested, the answer is undefined.
   */
  startRun(run: string, capacity: number, now: number): PollAnswer | undefined {
    if (!this.#stores.runs.remove(run)) return undefined
    this.#noteWorker(run, 'busy', now)
    return this.poll({ workerRun: run, settled: [], reports: [], holding: [], capacity, overtakes: false }, now)
  }

  /**
   * Settles what a worker tells and gives it what it has capacity for. With `isLast` the run ends with this answer, unless
   * its worker has jobs.
   */
  poll(request: PollRequest, now: number, isLast = false): PollAnswer {
    const { workerRun, settled, reports, holding, capacity, overtakes } = request
    for (const report of reports) this.note(report, now)
    for (const each of settled) this.#settle(each, now)
    if (!overtakes) this.#settleLost(workerRun, holding, now)
    this.tick(now)
    const isKnown = this.#workers.has(workerRun)
    const jobs = isKnown ? this.#assignJobs(workerRun, capacity, now) : []
    const ends = isLast && this.#stores.jobs.activeOf(workerRun).length === 0
    if (ends) this.endRun(workerRun, now)
    else if (isKnown) this.#noteWorker(workerRun, jobs.length > 0 ? 'busy' : capacity > 0 ? 'idle' : 'full', now)
    return {
      jobs,
      secrets: jobs.some(({ type }) => type === 'http') ? this.#context.secrets(now) : [],
      stop: holding.filter((held) => !this.#isHeld(held)).map(({ id }) => id),
      stay: isKnown && !ends,
    }
  }

  /** A worker is gone; the jobs it still had are lost with it. */
  endRun(run: string, now: number): void {
    this.#workers.delete(run)
    for (const job of this.#stores.jobs.activeOf(run)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  /** Notes what a job reports of itself; reports of an earlier attempt do not count. */
  note({ id, run, progress, line }: ProgressReport, now: number): void {
    const job = this.#stores.jobs.get(id)
    if (job === undefined || job.run !== run || hasEnded(job.phase)) return
    if (progress !== undefined) this.#stores.jobs.change(job, { progress })
    if (line !== undefined) this.#stores.lines.add(id, now, line)
  }

  /** What time alone brings: jobs and schedules that are due, attempts that took too long, silent workers, lost runs. */
  tick(now: number): void {
    this.#fireSchedules(now)
    while (promote(this.#stores, now));
    for (const job of this.#stores.jobs.upTo(phases.active, now, 1000)) this.#settle(lostOutcome(job, 'timeout'), now)
    for (const [run, { seenAt }] of this.#workers) if (seenAt + silenceMs <= now) this.endRun(run, now)
    for (const run of this.#stores.runs.all()) if (overdueAt(run) <= now) this.#stores.runs.remove(run.id)
  }

  /** Runs of schedules that fall due together are enqueued `runsAtOnce` every `paceMs`, and calls are answered in between. */
  #fireSchedules(now: number): void {
    if (this.#stores.settings.isHeld) return void (this.#backlog = undefined)
    const pause = this.#backlog === undefined ? 0 : this.#backlog.nextAt - now
    if (pause > 0 && pause <= paceMs) return
    if ((this.#stores.schedules.next ?? Infinity) > now) return void (this.#backlog = undefined)
    const since = this.#backlog?.since ?? now
    this.#backlog = fireDue(this.#stores, now, since) ? { since, nextAt: now + paceMs } : undefined
  }

  /**
   * What the queue must do next. Runs it requests, none of them due later than `reach`, are written before they are
   * dispatched.
   */
  plan(now: number, reach = Infinity): NextActions {
    const load = this.#load(now)
    const times = runsToRequest(load).filter((at) => at <= reach)
    const runs = times.map((at) => ({ id: this.#context.name(), at, isPublished: false }))
    for (const run of runs) this.#stores.runs.add(run)
    return {
      runs,
      lookAt: nextLook(
        { ...load, requested: [...load.requested, ...runs] },
        {
          hardEnd: this.#stores.jobs.lowestRank(phases.active),
          silent: this.#nextSilence(),
          paced: this.#backlog?.nextAt,
        },
      ),
    }
  }

  /** When the next thing is due: a pause, a delay, a schedule, or the next start the queue's rate allows. */
  nextDue(now: number): number | undefined {
    const stores = this.#stores
    const { isHeld } = stores.settings
    const { rate } = stores.settings.policy
    const paused = isHeld || stores.settings.policy.paused
    const ready = stores.jobs.counts()[phases.ready] ?? 0
    const paced = rate !== null && !paused && ready > 0 ? nextAllowed(rate, stores.settings.rate, now) : now
    const dues = [
      stores.jobs.lowestRank(phases.pausing),
      stores.jobs.lowestRank(phases.delayed),
      this.#backlog === undefined && !isHeld ? stores.schedules.next : undefined,
      paced > now ? paced : undefined,
    ].filter((at) => at !== undefined)
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  #load(now: number): QueueLoad {
    const workers = [...this.#workers.values()]
    return {
      now,
      claimable: claimable(this.#stores, now),
      idle: workers.filter(({ state }) => state === 'idle').length,
      full: workers.filter(({ state }) => state === 'full').length,
      present: workers.length,
      requested: this.#stores.runs.all(),
      nextDue: this.nextDue(now),
    }
  }

  /** Jobs of an answer that the worker did not receive. */
  #settleLost(run: string, holding: PollRequest['holding'], now: number): void {
    const held = new Set(holding.map(({ id, run: attempt }) => `${attempt}/${id}`))
    for (const job of this.#stores.jobs.activeOf(run))
      if (!held.has(`${job.run}/${job.id}`)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  #settle(result: AttemptResult, now: number): void {
    const settled = settle(this.#stores, result, now, this.#context.random())
    if (settled?.before.phase === phases.active)
      this.#context.metrics?.attempt(settled.after, now - settled.before.since)
  }

  /** Jobs for a worker. Those that cannot be handed out end, and do not leave the worker idle while there are others. */
  #assignJobs(run: string, capacity: number, now: number): Assignment[] {
    for (;;) {
      const claimed = claim(this.#stores, run, capacity, now)
      const jobs = claimed.map((job) => this.#assign(job, now)).filter((job) => job !== undefined)
      if (jobs.length > 0 || claimed.length === 0) return jobs
    }
  }

  #assign({ id, type, payload, run, attempts, options, traceparent }: Job, now: number): Assignment | undefined {
    const collected = options.after.length === 0 ? [] : collectResults(this.#stores, options.after)
    if (collected === undefined) {
      const reason = `after: results of at most ${collectedBytes} bytes together; return less, or wait for fewer jobs`
      this.#settle({ id, run, outcome: { kind: 'discard', reason } }, now)
      return undefined
    }
    const { timeoutMs } = options
    const trace = traceparent === null ? {} : { traceparent }
    return { id, type, payload, run, attempt: attempts, attempts: options.attempts, timeoutMs, collected, ...trace }
  }

  #noteWorker(run: string, state: WorkerPresence['state'], now: number): void {
    this.#workers.set(run, { seenAt: now, state })
  }

  #nextSilence(): number | undefined {
    const seen = [...this.#workers.values()].map(({ seenAt }) => seenAt)
    return seen.length === 0 ? undefined : Math.min(...seen) + silenceMs
  }

  #isHeld({ id, run }: AttemptReference): boolean {
    const job = this.#stores.jobs.get(id)
    return job !== undefined && job.run === run && job.phase === phases.active
  }
}

/** How many jobs may start now. Keys need no check here: a job is ready only when its key allows a start. */
export function claimable(stores: QueueStores, now: number): number {
  const policy = stores.settings.policy
  if (policy.paused || stores.settings.isHeld) return 0
  const counts = stores.jobs.counts()
  const places = policy.concurrency === null ? Infinity : policy.concurrency - (counts[phases.active] ?? 0)
  const pace = policy.rate === null ? Infinity : allowance(policy.rate, stores.settings.rate, now)
  return Math.max(0, Math.min(counts[phases.ready] ?? 0, places, pace))
}

/** Gives up to `capacity` jobs to a worker run. */
function claim(stores: QueueStores, run: string, capacity: number, now: number): Job[] {
  const jobs = stores.jobs.claim(Math.min(capacity, claimable(stores, now)), run, now)
  const { rate } = stores.settings.policy
  if (rate !== null && jobs.length > 0) stores.settings.setRate(spend(rate, stores.settings.rate, jobs.length, now))
  return jobs
}

/** Moves on jobs that are due, few at a time since each may be large. Returns whether there may be more. */
export function promote(stores: QueueStores, now: number, limit = 100): boolean {
  const policy = stores.settings.policy
  const paused = stores.jobs.upTo(phases.pausing, now, limit)
  for (const job of paused) takePlace(stores, policy, job, now)
  const delayed = stores.jobs.upTo(phases.delayed, now, limit)
  for (const job of delayed) enterKeyQueue(stores, policy, job, now)
  return paused.length === limit || delayed.length === limit
}

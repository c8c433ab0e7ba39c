import { byteLength } from '../../kernel/text.ts'
import type { RequestedRun, JobStore } from './job-store.ts'
import { collectedBytes, type Job, type NewJob } from '../model/job.ts'
import type { JobMetrics } from '../metrics/job-metrics.ts'
import { claim, claimable, enqueue, promote, type Enqueued } from './lifecycle.ts'
import { nextAllowed } from '../model/rate.ts'
import { hasEnded, phases, stateOf, type JobState } from '../model/phase.ts'
import { fireDue, paceMs } from '../schedules/schedule.ts'
import { lostOutcome, settle, type Settled } from './settle.ts'
import { nextLook, overdueMs, returnMs, silenceMs, runsToRequest, type Situation } from './worker-runs.ts'

/** What a running job tells of itself. */
export interface Report {
  readonly id: string
  readonly run: number
  readonly progress?: number
  readonly line?: string
}

/** One thing a visitor says: what ended, how the rest goes, and for how many more it has hands. */
export interface PollRequest {
  readonly workerRun: string
  readonly settled: readonly Settled[]
  readonly reports: readonly Report[]
  /** All it still runs: it hears which of those to stop, and a job it was given but never heard of is given again. */
  readonly holding: readonly { readonly id: string; readonly run: number }[]
  readonly capacity: number
}

/** A job given to a visitor: what to do, which attempt this is, and what the jobs it waited for brought. */
export interface Assignment {
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly run: number
  /** Attempts that count, this one included, and how many there may be. */
  readonly attempt: number
  readonly attempts: number
  readonly timeoutMs: number
  readonly collected: readonly Collected[]
}

/** How a job that was waited for ended; `result` is JSON text. */
export interface Collected {
  readonly id: string
  readonly state: JobState | 'forgotten'
  readonly result: string | null
}

/** What it is told: jobs to run, jobs to stop, and whether it is still expected to come back. */
export interface PollAnswer {
  readonly jobs: readonly Assignment[]
  readonly stop: readonly string[]
  readonly stay: boolean
}

/** What the queue must do next: visits to ask of the carrier, and when to look again. */
export interface QueuePlan {
  readonly runs: readonly RequestedRun[]
  readonly lookAt: number | undefined
}

/** What is given to a queue beside its books: names for visits, chance in [0,1), and somebody who counts. */
export interface QueueContext {
  readonly name: () => string
  readonly chance: () => number
  readonly metrics?: JobMetrics
}

interface WorkerPresence {
  readonly seenAt: number
  /** `away` with what it was just given and back in a moment, `idle` with hands free, or `full`. */
  readonly stance: 'away' | 'idle' | 'full'
}

/**
 * One queue: its books, and what it only has in mind: who is here. Minds are lost and books are not, so after a loss
 * every active job's visitor is taken for present and has `returnMs` to say so.
 */
export class Queue {
  readonly #store: JobStore
  readonly #context: QueueContext
  readonly #workers = new Map<string, WorkerPresence>()
  /** Since when more runs of schedules are due than were made, and when the next are made. */
  #behind: { readonly since: number; readonly nextAt: number } | undefined

  constructor(books: JobStore, given: QueueContext, now: number) {
    this.#store = books
    this.#context = given
    for (const job of books.inPhase(phases.active, 100_000))
      if (job.visit !== null) this.#noteWorker(job.visit, 'away', now + returnMs - silenceMs)
  }

  enqueue(wanted: readonly NewJob[], now: number): Enqueued {
    return enqueue(this.#store, wanted, now)
  }

  /** A visit arrived. Each is let in once: one that was not asked for, or came before, finds the door closed. */
  startRun(visit: string, now: number): boolean {
    if (!this.#store.removeRequestedRun(visit)) return false
    this.#noteWorker(visit, 'away', now)
    return true
  }

  /** Hears a visitor out, and gives it what it has hands for. */
  poll({ workerRun: visit, settled, reports, holding, capacity: want }: PollRequest, now: number): PollAnswer {
    for (const report of reports) this.note(report, now)
    for (const each of settled) this.#settle(each, now)
    this.#settleLost(visit, holding, now)
    this.tick(now)
    const known = this.#workers.has(visit)
    const jobs = known ? this.#assignJobs(visit, want, now) : []
    if (known) this.#noteWorker(visit, jobs.length > 0 ? 'away' : want > 0 ? 'idle' : 'full', now)
    return {
      jobs,
      stop: holding.filter((held) => !this.#isHeld(held)).map(({ id }) => id),
      stay: known,
    }
  }

  /** The carrier gave a visit up. If it never came, another is sent for; if it did, its silence will tell. */
  runLost(visit: string): void {
    this.#store.removeRequestedRun(visit)
  }

  /** A visitor goes: what it still had is taken as lost with it. */
  endRun(visit: string, now: number): void {
    this.#workers.delete(visit)
    for (const job of this.#store.activeOf(visit)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  /** What a job tells of itself; of an attempt that is over it no longer counts. */
  note({ id, run, progress, line }: Report, now: number): void {
    const job = this.#store.get(id)
    if (job === undefined || job.run !== run || hasEnded(job.phase)) return
    if (progress !== undefined) this.#store.change(job, { progress })
    if (line !== undefined) this.#store.addLine(id, now, line)
  }

  /** What time alone brings: jobs and schedules that are due, attempts that took too long, visitors gone silent. */
  tick(now: number): void {
    this.#fireSchedules(now)
    while (promote(this.#store, now));
    for (const job of this.#store.upTo(phases.active, now, 1000)) this.#settle(lostOutcome(job, 'timeout'), now)
    for (const [visit, { seenAt }] of this.#workers) if (seenAt + silenceMs <= now) this.endRun(visit, now)
    for (const { id, at } of this.#store.requestedRuns()) if (at + overdueMs <= now) this.#store.removeRequestedRun(id)
  }

  /** Runs that fall due together are enqueued `runsAtOnce` every `paceMs`, and commands are heard in between. */
  #fireSchedules(now: number): void {
    const pause = this.#behind === undefined ? 0 : this.#behind.nextAt - now
    if (pause > 0 && pause <= paceMs) return
    const since = this.#behind?.since ?? now
    this.#behind = fireDue(this.#store, now, since) ? { since, nextAt: now + paceMs } : undefined
  }

  /**
   * What is to be done about the work at hand. Visits it asks for, none of them later than `reach`, are noted in the books
   * before they are asked for.
   */
  plan(now: number, reach = Infinity): QueuePlan {
    const situation = this.#situation(now)
    const times = runsToRequest(situation).filter((at) => at <= reach)
    const ask = times.map((at) => ({ id: this.#context.name(), at }))
    for (const asked of ask) this.#store.addRequestedRun(asked)
    const all = { ...situation, asked: [...situation.requested, ...ask.map(({ at }) => at)] }
    return {
      runs: ask,
      lookAt: nextLook(all, {
        hardEnd: this.#store.lowestRank(phases.active),
        silent: this.#nextSilence(),
        paced: this.#behind?.nextAt,
      }),
    }
  }

  /** Jobs that could start right now. */
  claimable(now: number): number {
    return claimable(this.#store, now)
  }

  /** When the next thing falls due: a pause, a delay, a schedule, or the queue's own rate. */
  nextDue(now: number): number | undefined {
    const books = this.#store
    const { rate, paused } = books.policy()
    const ready = books.counts()[phases.ready] ?? 0
    const paced = rate !== null && !paused && ready > 0 ? nextAllowed(rate, books.queueRate(), now) : now
    const dues = [
      books.lowestRank(phases.pausing),
      books.lowestRank(phases.delayed),
      this.#behind === undefined ? books.nextSchedule() : undefined,
      paced > now ? paced : undefined,
    ].filter((at) => at !== undefined)
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  #situation(now: number): Situation {
    const visitors = [...this.#workers.values()]
    return {
      now,
      claimable: this.claimable(now),
      idle: visitors.filter(({ stance }) => stance === 'idle').length,
      full: visitors.filter(({ stance }) => stance === 'full').length,
      present: visitors.length,
      requested: this.#store.requestedRuns().map(({ at }) => at),
      nextDue: this.nextDue(now),
    }
  }

  /** Jobs of an answer that was lost on its way to the visitor. */
  #settleLost(visit: string, holding: PollRequest['holding'], now: number): void {
    const held = new Set(holding.map(({ id, run }) => `${run}/${id}`))
    for (const job of this.#store.activeOf(visit))
      if (!held.has(`${job.run}/${job.id}`)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  #settle(settled: Settled, now: number): void {
    const told = settle(this.#store, settled, now, this.#context.chance())
    if (told?.before.phase === phases.active) this.#context.metrics?.attempt(told.after, now - told.before.since)
  }

  /** Jobs for a visitor with their results. Those that cannot be handed out end, and do not leave it idle while there are others. */
  #assignJobs(visit: string, want: number, now: number): Assignment[] {
    for (;;) {
      const claimed = claim(this.#store, visit, want, now)
      const jobs = claimed.map((job) => this.#assign(job, now)).filter((job) => job !== undefined)
      if (jobs.length > 0 || claimed.length === 0) return jobs
    }
  }

  #assign({ id, type, payload, run, attempts, options }: Job, now: number): Assignment | undefined {
    const collected = this.#collect(options.after)
    if (collected === undefined) {
      const why = `what it waited for brought more than ${collectedBytes} bytes: let those jobs bring less, or fewer of them`
      this.#settle({ id, run, outcome: { kind: 'discard', why } }, now)
      return undefined
    }
    const { timeoutMs } = options
    return { id, type, payload, run, attempt: attempts, attempts: options.attempts, timeoutMs, collected }
  }

  /** Undefined when it is too much for a call, which is found out before all of it is in memory. */
  #collect(after: readonly string[]): Collected[] | undefined {
    const collected: Collected[] = []
    let bytes = 0
    for (const id of after) {
      const job = this.#store.get(id)
      const result = job?.result ?? null
      bytes += byteLength(result ?? '')
      if (bytes > collectedBytes) return undefined
      collected.push({ id, state: job === undefined ? 'forgotten' : stateOf(job.phase), result })
    }
    return collected
  }

  #noteWorker(visit: string, stance: WorkerPresence['stance'], now: number): void {
    this.#workers.set(visit, { seenAt: now, stance })
  }

  #nextSilence(): number | undefined {
    const seen = [...this.#workers.values()].map(({ seenAt }) => seenAt)
    return seen.length === 0 ? undefined : Math.min(...seen) + silenceMs
  }

  #isHeld({ id, run }: { readonly id: string; readonly run: number }): boolean {
    const job = this.#store.get(id)
    return job !== undefined && job.run === run && job.phase === phases.active
  }
}

import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment, AttemptResult, PollAnswer, PollRequest, ProgressReport } from '../jobs/queue/poll.ts'
import { heartbeatMs } from '../jobs/queue/worker-runs.ts'
import type { Clock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf, type RequestContext } from '../kernel/request-context.ts'
import { backoffMs } from '../kernel/retry.ts'
import type { Attempt } from './attempt.ts'

/** What a worker run is made with. */
export interface WorkerRunContext {
  /** Polls the queue, which waits up to `waitMs` with nothing to answer. Calls arrive in the order in which they are made. */
  readonly poll: (request: PollRequest, waitMs: number) => Promise<PollAnswer>
  readonly workerRun: string
  readonly request: RequestContext | undefined
  readonly run: (attempt: Attempt) => Promise<Outcome>
  readonly clock: Clock
  readonly pause: (ms: number) => Promise<void>
  readonly random: () => number
}

/** How long a worker takes new jobs, and how long it waits for one when it has none. */
const stayMs = 20_000
const lingerMs = 2_000
/** Jobs that end within this time are quick: a worker waits for them before it polls, and takes more of them at once. */
const quickMs = 20
/** Jobs at once: as many as a Worker has outgoing connections, and far more of those that are quick. */
export const firstCapacity = 6
const maxCapacity = 128
/** Polls of one run: each is a call, and a Worker's calls are limited. */
const maxPolls = 500
/** Polls that may fail one after the other before the run gives up. */
const pollAttempts = 4

/** One run of a worker: takes jobs from a queue, runs them side by side and settles them until there are no more. */
export class WorkerRun {
  readonly #context: WorkerRunContext
  readonly #running = new Map<string, RunningJob>()
  readonly #startedAt: number
  readonly #unanswered = new Set<Promise<boolean>>()
  #settled: AttemptResult[] = []
  #reports: ProgressReport[] = []
  #capacity = firstCapacity
  #polls = 0
  #failures = 0
  #given = 0
  #stays = true
  #isDraining = false
  /** Resolved when there is something to report to the queue, and when the last job has ended. */
  #hasReport = Promise.withResolvers<void>()
  #drained = Promise.withResolvers<void>()

  constructor(context: WorkerRunContext) {
    this.#context = context
    this.#startedAt = context.clock.now()
  }

  /** Runs the jobs of `start` and of every later answer. Returns how many there were; throws when the queue cannot be reached. */
  async run(start: PollAnswer): Promise<number> {
    this.#accept(start)
    while (this.#stays || this.#running.size > 0 || this.#settled.length > 0) {
      if (this.#running.size > 0) await this.#waitBriefly()
      await this.#pollUntilReport()
      // What an overtaken poll still brings, or fails to report, belongs to this run.
      if (!this.#stays) await Promise.all(this.#unanswered)
    }
    return this.#given
  }

  /** Takes no more jobs, and ends when those it has are done. */
  drain(): void {
    this.#isDraining = true
    this.#hasReport.resolve()
  }

  /** Polls; an outcome or a report that arrives meanwhile ends the wait, and the next poll overtakes this one. */
  async #pollUntilReport(): Promise<void> {
    this.#hasReport = Promise.withResolvers<void>()
    await Promise.race([this.#poll(), this.#hasReport.promise])
  }

  async #poll(): Promise<void> {
    const capacity = this.#takesMore() ? Math.max(0, this.#capacity - this.#running.size) : 0
    const holding = [...this.#running.values()].map(({ job: { id, run } }) => ({ id, run }))
    const request = {
      workerRun: this.#context.workerRun,
      settled: this.#settled,
      reports: this.#reports,
      holding,
      capacity,
      overtakes: this.#unanswered.size > 0,
    }
    this.#settled = []
    this.#reports = []
    const answered = this.#ask(request, holding.length > 0 ? heartbeatMs : capacity > 0 ? lingerMs : 0, ++this.#polls)
    this.#unanswered.add(answered)
    const isAnswered = await answered
    this.#unanswered.delete(answered)
    if (isAnswered) return
    if (this.#failures >= pollAttempts) throw new Error(`the queue could not be reached ${pollAttempts} times`)
    await this.#context.pause(backoffMs(this.#failures, 200, 2000, this.#context.random()))
  }

  /** Whether the queue answered. What an unanswered poll reported is reported again: the queue settles each attempt once. */
  async #ask(request: PollRequest, waitMs: number, poll: number): Promise<boolean> {
    try {
      const answer = await this.#context.poll(request, waitMs)
      this.#failures = 0
      this.#accept(answer)
      if (poll === this.#polls) this.#stays = answer.stay
      return true
    } catch (thrown) {
      const ids = idsOf(this.#context.request)
      log.warn('jobs.poll-failed', { ...ids, attempt: ++this.#failures, reason: reasonOf(thrown) })
      this.#settled.unshift(...request.settled)
      this.#reports.unshift(...request.reports)
      return false
    }
  }

  #takesMore(): boolean {
    const isOver = this.#context.clock.now() - this.#startedAt >= stayMs || this.#polls >= maxPolls
    return !this.#isDraining && !isOver
  }

  #accept({ jobs, secrets, stop }: PollAnswer): void {
    for (const id of stop) this.#stop(id)
    this.#given += jobs.length
    for (const job of jobs) {
      const running = new RunningJob(job, secrets, this.#context.clock.now(), (report) => {
        this.#reports.push(report)
        this.#hasReport.resolve()
      })
      this.#running.set(job.id, running)
      void this.#run(running)
    }
  }

  async #run(running: RunningJob): Promise<void> {
    const { job } = running
    const outcome = await running.end(this.#context.run(running))
    // A job that was stopped no longer belongs to this worker, and may be here again as another attempt.
    if (this.#running.get(job.id) !== running) return
    this.#running.delete(job.id)
    this.#settled.push({ id: job.id, run: job.run, outcome })
    if (this.#running.size === 0) this.#drained.resolve()
    this.#hasReport.resolve()
  }

  /** Quick jobs are over in a moment: one poll then settles all of them. */
  async #waitBriefly(): Promise<void> {
    this.#drained = Promise.withResolvers<void>()
    await Promise.race([this.#drained.promise, this.#context.pause(quickMs)])
    // Where queue and worker share a thread, a loop of calls between them would keep sockets waiting.
    await this.#context.pause(0)
    for (const running of this.#running.values()) running.watch(this.#context.clock.now())
    this.#capacity = this.#running.size === 0 ? Math.min(maxCapacity, this.#capacity * 2) : firstCapacity
  }

  #stop(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    running?.stop('cancelled', 'cancelled')
    if (this.#running.size === 0) this.#drained.resolve()
  }
}

/** A job that runs. Most are over in a moment, so signal and timer are made only for those that need them. */
class RunningJob implements Attempt {
  readonly job: Assignment
  readonly secrets: readonly string[]
  readonly #startedAt: number
  readonly report: Attempt['report']
  readonly #stopped = Promise.withResolvers<Outcome>()
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #abortedWith: Error | undefined

  constructor(job: Assignment, secrets: readonly string[], startedAt: number, note: (report: ProgressReport) => void) {
    this.job = job
    this.secrets = secrets
    this.#startedAt = startedAt
    const { id, run } = job
    this.report = (progress, line) =>
      note({ id, run, ...(progress === undefined ? {} : { progress }), ...(line === undefined ? {} : { line }) })
  }

  /** Aborted when the attempt times out or the job is cancelled. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#abortedWith !== undefined) this.#controller.abort(this.#abortedWith)
    return this.#controller.signal
  }

  /** The outcome of `work`, or of `stop` if that comes first. */
  async end(work: Promise<Outcome>): Promise<Outcome> {
    const outcome = await Promise.race([work, this.#stopped.promise])
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    return outcome
  }

  /** Stops it when its time is up. */
  watch(now: number): void {
    const { timeoutMs } = this.job
    const leftMs = Math.max(0, this.#startedAt + timeoutMs - now)
    this.#timer ??= setTimeout(() => this.stop('timeout', `took longer than ${timeoutMs} ms`), leftMs)
  }

  stop(error: string, reason: string): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#abortedWith = new Error(reason)
    this.#controller?.abort(this.#abortedWith)
    this.#stopped.resolve({ kind: 'retry', error, reason })
  }
}

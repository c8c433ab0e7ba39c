import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment, Report, PollRequest, PollAnswer } from '../jobs/queue/queue.ts'
import type { Settled } from '../jobs/queue/settle.ts'
import { heartbeatMs } from '../jobs/queue/worker-runs.ts'
import type { Clock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { backoffMs } from '../kernel/retry.ts'
import type { Attempt } from './attempt.ts'
import { RunningJob } from './running-job.ts'

/** The ledger as its visitor sees it. */
export interface QueueClient {
  poll(turn: PollRequest, waitMs: number): Promise<PollAnswer>
  wake(visit: string): Promise<void>
  endRun(visit: string): Promise<void>
  secrets(): Promise<readonly string[]>
}

/** What a visit is made with. */
export interface WorkerRunContext {
  readonly queue: QueueClient
  readonly workerRun: string
  readonly run: (job: Assignment, attempt: Attempt) => Promise<Outcome>
  readonly clock: Clock
  readonly pause: (ms: number) => Promise<void>
  readonly random: () => number
}

/** How long a visitor takes on new jobs, and waits at the door for them when there are none. */
const stayMs = 20_000
const lingerMs = 2_000
/** Jobs that end within this time count as quick: a visitor waits for them, and takes more of them at once. */
const quickMs = 20
/** Jobs at once: as many as a Worker has outgoing connections (6), and far more of those that are quick. */
const fewestHands = 6
const maxHands = 128
/** Turns of one visit: each is a call, and a Worker's calls are counted. */
const maxTurns = 500
const turnAttempts = 4

/** One visit: takes jobs from the ledger, runs them side by side, tells how they ended, until there are no more. */
export class WorkerRun {
  readonly #context: WorkerRunContext
  readonly #running = new Map<string, RunningJob>()
  readonly #startedAt: number
  #settled: Settled[] = []
  #reports: Report[] = []
  #concurrency = fewestHands
  #polls = 0
  #isPolling = false
  #isDraining = false
  #idleSince: number | undefined
  #drained = Promise.withResolvers<void>()
  #secrets: Promise<readonly string[]> | undefined

  constructor(given: WorkerRunContext) {
    this.#context = given
    this.#startedAt = given.clock.now()
  }

  /** Stays as long as there is work. Returns how many jobs it was given. */
  async run(): Promise<number> {
    let given = 0
    for (let stays = true; stays || this.#running.size > 0;) {
      const answer = await this.#poll(stays)
      given += answer.jobs.length
      for (const id of answer.stop) this.#stop(id)
      for (const job of answer.jobs) this.#start(job)
      stays = stays && !this.#isDraining && answer.stay && this.#shouldStay(answer)
      if (this.#running.size > 0) await this.#waitBriefly()
    }
    if (this.#settled.length > 0) await this.#poll(false)
    await this.#context.queue.endRun(this.#context.workerRun)
    return given
  }

  /** Takes no more jobs, and leaves when those it has are done. */
  drain(): void {
    this.#isDraining = true
    this.#wakePoll()
  }

  #shouldStay(answer: PollAnswer): boolean {
    const now = this.#context.clock.now()
    if (now - this.#startedAt >= stayMs || this.#polls >= maxTurns) return false
    if (answer.jobs.length === 0 && this.#running.size === 0) return this.#waitMs() > 0
    this.#idleSince = undefined
    return true
  }

  /** How much longer it would wait at the door with nothing to do, in milliseconds. */
  #waitMs(): number {
    const now = this.#context.clock.now()
    this.#idleSince ??= now
    return Math.max(0, lingerMs - (now - this.#idleSince))
  }

  /** One word with the ledger. What it tells is kept until the ledger has heard it; hearing it twice does no harm. */
  async #poll(stays: boolean): Promise<PollAnswer> {
    this.#polls++
    const { workerRun: visit, random, pause } = this.#context
    const settled = this.#settled
    const reports = this.#reports
    this.#settled = []
    this.#reports = []
    const want = stays ? Math.max(0, this.#concurrency - this.#running.size) : 0
    const holding = [...this.#running.values()].map(({ job: { id, run } }) => ({ id, run }))
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#wait({ workerRun: visit, settled, reports, holding, capacity: want })
      } catch (thrown) {
        log.warn('jobs.turn-failed', { attempt, why: reasonOf(thrown) })
        if (attempt >= turnAttempts) throw thrown
        await pause(backoffMs(attempt, 200, 2000, random()))
      }
    }
  }

  async #wait(turn: PollRequest): Promise<PollAnswer> {
    const waitMs = this.#running.size > 0 ? heartbeatMs : turn.capacity > 0 ? this.#waitMs() : 0
    this.#isPolling = true
    try {
      return await this.#context.queue.poll(turn, waitMs)
    } finally {
      this.#isPolling = false
    }
  }

  #start(job: Assignment): void {
    const running = new RunningJob(job, this.#context.clock.now())
    this.#running.set(job.id, running)
    void this.#run(running)
  }

  async #run(running: RunningJob): Promise<void> {
    const { job } = running
    const outcome = await running.end(this.#context.run(job, this.#attempt(running)))
    // A job that was stopped is no longer ours, and may be back here as another attempt already.
    if (this.#running.get(job.id) !== running) return
    this.#running.delete(job.id)
    this.#settled.push({ id: job.id, run: job.run, outcome })
    if (this.#running.size === 0) this.#drained.resolve()
    this.#wakePoll()
  }

  #attempt(running: RunningJob): Attempt {
    const { id, run, attempt: number, collected } = running.job
    return {
      id,
      number,
      collected,
      get signal() {
        return running.signal
      },
      secrets: () => (this.#secrets ??= this.#context.queue.secrets()),
      report: (progress, line) => {
        const told = { ...(progress === undefined ? {} : { progress }), ...(line === undefined ? {} : { line }) }
        this.#reports.push({ id, run, ...told })
        this.#wakePoll()
      },
    }
  }

  /** Quick jobs are over in a moment: one turn then tells of all of them. */
  async #waitBriefly(): Promise<void> {
    this.#drained = Promise.withResolvers<void>()
    const waited = this.#context.pause(quickMs)
    await Promise.race([this.#drained.promise, waited])
    // A breath: where ledger and visitor share a thread, a loop of calls between them would keep sockets waiting.
    await this.#context.pause(0)
    for (const running of this.#running.values()) running.watch(this.#context.clock.now())
    this.#concurrency = this.#running.size === 0 ? Math.min(maxHands, this.#concurrency * 2) : fewestHands
  }

  /** The ledger keeps a visitor at the door; one that has something to say calls. */
  #wakePoll(): void {
    if (!this.#isPolling) return
    this.#isPolling = false
    this.#context.queue.wake(this.#context.workerRun).catch(() => undefined)
  }

  #stop(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    running?.stop('cancelled', 'cancelled')
    if (this.#running.size === 0) this.#drained.resolve()
  }
}

import type { Outcome } from '../jobs/job.ts'
import type { Assignment, Report, Turn, TurnAnswer } from '../jobs/queue.ts'
import type { Settled } from '../jobs/settle.ts'
import { heartbeatMs } from '../jobs/visits.ts'
import type { Clock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { backoffMs } from '../kernel/retry.ts'
import type { Attempt } from './attempt.ts'
import { Running } from './running.ts'

/** The ledger as its visitor sees it. */
export interface Ledger {
  turn(turn: Turn, waitMs: number): Promise<TurnAnswer>
  call(visit: string): Promise<void>
  leave(visit: string): Promise<void>
  secrets(): Promise<readonly string[]>
}

/** What a visit is made with. */
export interface Given {
  readonly ledger: Ledger
  readonly visit: string
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
const mostHands = 128
/** Turns of one visit: each is a call, and a Worker's calls are counted. */
const mostTurns = 500
const turnAttempts = 4

/** One visit: takes jobs from the ledger, runs them side by side, tells how they ended, until there are no more. */
export class Visit {
  readonly #given: Given
  readonly #running = new Map<string, Running>()
  readonly #startedAt: number
  #settled: Settled[] = []
  #reports: Report[] = []
  #hands = fewestHands
  #turns = 0
  #atDoor = false
  #hurries = false
  #idleSince: number | undefined
  #drained = Promise.withResolvers<void>()
  #secrets: Promise<readonly string[]> | undefined

  constructor(given: Given) {
    this.#given = given
    this.#startedAt = given.clock.now()
  }

  /** Stays as long as there is work. Returns how many jobs it was given. */
  async make(): Promise<number> {
    let given = 0
    for (let stays = true; stays || this.#running.size > 0;) {
      const answer = await this.#turn(stays)
      given += answer.jobs.length
      for (const id of answer.stop) this.#stop(id)
      for (const job of answer.jobs) this.#begin(job)
      stays = stays && !this.#hurries && answer.stay && this.#isWorthIt(answer)
      if (this.#running.size > 0) await this.#waitBriefly()
    }
    if (this.#settled.length > 0) await this.#turn(false)
    await this.#given.ledger.leave(this.#given.visit)
    return given
  }

  /** Takes no more jobs, and leaves when those it has are done. */
  hurry(): void {
    this.#hurries = true
    this.#speakUp()
  }

  #isWorthIt(answer: TurnAnswer): boolean {
    const now = this.#given.clock.now()
    if (now - this.#startedAt >= stayMs || this.#turns >= mostTurns) return false
    if (answer.jobs.length === 0 && this.#running.size === 0) return this.#patience() > 0
    this.#idleSince = undefined
    return true
  }

  /** How much longer it would wait at the door with nothing to do, in milliseconds. */
  #patience(): number {
    const now = this.#given.clock.now()
    this.#idleSince ??= now
    return Math.max(0, lingerMs - (now - this.#idleSince))
  }

  /** One word with the ledger. What it tells is kept until the ledger has heard it; hearing it twice does no harm. */
  async #turn(stays: boolean): Promise<TurnAnswer> {
    this.#turns++
    const { visit, random, pause } = this.#given
    const settled = this.#settled
    const reports = this.#reports
    this.#settled = []
    this.#reports = []
    const want = stays ? Math.max(0, this.#hands - this.#running.size) : 0
    const holding = [...this.#running.values()].map(({ job: { id, run } }) => ({ id, run }))
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#wait({ visit, settled, reports, holding, want })
      } catch (thrown) {
        log.warn('jobs.turn-failed', { attempt, why: reasonOf(thrown) })
        if (attempt >= turnAttempts) throw thrown
        await pause(backoffMs(attempt, 200, 2000, random()))
      }
    }
  }

  async #wait(turn: Turn): Promise<TurnAnswer> {
    const waitMs = this.#running.size > 0 ? heartbeatMs : turn.want > 0 ? this.#patience() : 0
    this.#atDoor = true
    try {
      return await this.#given.ledger.turn(turn, waitMs)
    } finally {
      this.#atDoor = false
    }
  }

  #begin(job: Assignment): void {
    const running = new Running(job, this.#given.clock.now())
    this.#running.set(job.id, running)
    void this.#run(running)
  }

  async #run(running: Running): Promise<void> {
    const { job } = running
    const outcome = await running.end(this.#given.run(job, this.#attempt(running)))
    // A job that was stopped is no longer ours, and may be back here as another attempt already.
    if (this.#running.get(job.id) !== running) return
    this.#running.delete(job.id)
    this.#settled.push({ id: job.id, run: job.run, outcome })
    if (this.#running.size === 0) this.#drained.resolve()
    this.#speakUp()
  }

  #attempt(running: Running): Attempt {
    const { id, run, attempt: number, collected } = running.job
    return {
      id,
      number,
      collected,
      get signal() {
        return running.signal
      },
      secrets: () => (this.#secrets ??= this.#given.ledger.secrets()),
      report: (progress, line) => {
        const told = { ...(progress === undefined ? {} : { progress }), ...(line === undefined ? {} : { line }) }
        this.#reports.push({ id, run, ...told })
        this.#speakUp()
      },
    }
  }

  /** Quick jobs are over in a moment: one turn then tells of all of them. */
  async #waitBriefly(): Promise<void> {
    this.#drained = Promise.withResolvers<void>()
    const waited = this.#given.pause(quickMs)
    await Promise.race([this.#drained.promise, waited])
    // A breath: where ledger and visitor share a thread, a loop of calls between them would keep sockets waiting.
    await this.#given.pause(0)
    for (const running of this.#running.values()) running.watch(this.#given.clock.now())
    this.#hands = this.#running.size === 0 ? Math.min(mostHands, this.#hands * 2) : fewestHands
  }

  /** The ledger keeps a visitor at the door; one that has something to say calls. */
  #speakUp(): void {
    if (!this.#atDoor) return
    this.#atDoor = false
    this.#given.ledger.call(this.#given.visit).catch(() => undefined)
  }

  #stop(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    running?.stop('cancelled', 'cancelled')
    if (this.#running.size === 0) this.#drained.resolve()
  }
}

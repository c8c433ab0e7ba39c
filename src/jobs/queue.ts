import { byteLength } from '../kernel/text.ts'
import type { Asked, Books } from './books.ts'
import { collectedBytes, type Job, type NewJob } from './job.ts'
import type { Meter } from './meter.ts'
import { claim, claimable, enqueue, promote, type Enqueued } from './ledger.ts'
import { nextAllowed } from './rate.ts'
import { hasEnded, phases, stateOf, type JobState } from './phase.ts'
import { fireDue, paceMs } from './schedule.ts'
import { lostOutcome, settle, type Settled } from './settle.ts'
import { nextLook, overdueMs, returnMs, silenceMs, visitsToAsk, type Situation } from './visits.ts'

/** What a running job tells of itself. */
export interface Report {
  readonly id: string
  readonly run: number
  readonly progress?: number
  readonly line?: string
}

/** One thing a visitor says: what ended, how the rest goes, and for how many more it has hands. */
export interface Turn {
  readonly visit: string
  readonly settled: readonly Settled[]
  readonly reports: readonly Report[]
  /** All it still runs: it hears which of those to stop, and a job it was given but never heard of is given again. */
  readonly holding: readonly { readonly id: string; readonly run: number }[]
  readonly want: number
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
export interface TurnAnswer {
  readonly jobs: readonly Assignment[]
  readonly stop: readonly string[]
  readonly stay: boolean
}

/** What the queue must do next: visits to ask of the carrier, and when to look again. */
export interface Plan {
  readonly ask: readonly Asked[]
  readonly lookAt: number | undefined
}

/** What is given to a queue beside its books: names for visits, chance in [0,1), and somebody who counts. */
export interface Given {
  readonly name: () => string
  readonly chance: () => number
  readonly meter?: Meter
}

interface Presence {
  readonly seenAt: number
  /** `away` with what it was just given and back in a moment, `idle` with hands free, or `full`. */
  readonly stance: 'away' | 'idle' | 'full'
}

/**
 * One queue: its books, and what it only has in mind: who is here. Minds are lost and books are not, so after a loss
 * every active job's visitor is taken for present and has `returnMs` to say so.
 */
export class Queue {
  readonly #books: Books
  readonly #given: Given
  readonly #visitors = new Map<string, Presence>()
  /** Since when more runs of schedules are due than were made, and when the next are made. */
  #behind: { readonly since: number; readonly nextAt: number } | undefined

  constructor(books: Books, given: Given, now: number) {
    this.#books = books
    this.#given = given
    for (const job of books.inPhase(phases.active, 100_000))
      if (job.visit !== null) this.#see(job.visit, 'away', now + returnMs - silenceMs)
  }

  enqueue(wanted: readonly NewJob[], now: number): Enqueued {
    return enqueue(this.#books, wanted, now)
  }

  /** A visit arrived. Each is let in once: one that was not asked for, or came before, finds the door closed. */
  arrive(visit: string, now: number): boolean {
    if (!this.#books.removeAsked(visit)) return false
    this.#see(visit, 'away', now)
    return true
  }

  /** Hears a visitor out, and gives it what it has hands for. */
  turn({ visit, settled, reports, holding, want }: Turn, now: number): TurnAnswer {
    for (const report of reports) this.note(report, now)
    for (const each of settled) this.#settle(each, now)
    this.#missed(visit, holding, now)
    this.tick(now)
    const known = this.#visitors.has(visit)
    const jobs = known ? this.#handOut(visit, want, now) : []
    if (known) this.#see(visit, jobs.length > 0 ? 'away' : want > 0 ? 'idle' : 'full', now)
    return {
      jobs,
      stop: holding.filter((held) => !this.#isHeld(held)).map(({ id }) => id),
      stay: known,
    }
  }

  /** The carrier gave a visit up. If it never came, another is sent for; if it did, its silence will tell. */
  lost(visit: string): void {
    this.#books.removeAsked(visit)
  }

  /** A visitor goes: what it still had is taken as lost with it. */
  leave(visit: string, now: number): void {
    this.#visitors.delete(visit)
    for (const job of this.#books.activeOf(visit)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  /** What a job tells of itself; of an attempt that is over it no longer counts. */
  note({ id, run, progress, line }: Report, now: number): void {
    const job = this.#books.get(id)
    if (job === undefined || job.run !== run || hasEnded(job.phase)) return
    if (progress !== undefined) this.#books.change(job, { progress })
    if (line !== undefined) this.#books.addLine(id, now, line)
  }

  /** What time alone brings: jobs and schedules that are due, attempts that took too long, visitors gone silent. */
  tick(now: number): void {
    this.#fireSchedules(now)
    while (promote(this.#books, now));
    for (const job of this.#books.upTo(phases.active, now, 1000)) this.#settle(lostOutcome(job, 'timeout'), now)
    for (const [visit, { seenAt }] of this.#visitors) if (seenAt + silenceMs <= now) this.leave(visit, now)
    for (const { id, at } of this.#books.asked()) if (at + overdueMs <= now) this.#books.removeAsked(id)
  }

  /** Runs that fall due together are enqueued `runsAtOnce` every `paceMs`, and commands are heard in between. */
  #fireSchedules(now: number): void {
    const pause = this.#behind === undefined ? 0 : this.#behind.nextAt - now
    if (pause > 0 && pause <= paceMs) return
    const since = this.#behind?.since ?? now
    this.#behind = fireDue(this.#books, now, since) ? { since, nextAt: now + paceMs } : undefined
  }

  /**
   * What is to be done about the work at hand. Visits it asks for, none of them later than `reach`, are noted in the books
   * before they are asked for.
   */
  plan(now: number, reach = Infinity): Plan {
    const situation = this.#situation(now)
    const times = visitsToAsk(situation).filter((at) => at <= reach)
    const ask = times.map((at) => ({ id: this.#given.name(), at }))
    for (const asked of ask) this.#books.addAsked(asked)
    const all = { ...situation, asked: [...situation.asked, ...ask.map(({ at }) => at)] }
    return {
      ask,
      lookAt: nextLook(all, {
        hardEnd: this.#books.lowestRank(phases.active),
        silent: this.#nextSilence(),
        paced: this.#behind?.nextAt,
      }),
    }
  }

  /** Jobs that could start right now. */
  claimable(now: number): number {
    return claimable(this.#books, now)
  }

  /** When the next thing falls due: a pause, a delay, a schedule, or the queue's own rate. */
  nextDue(now: number): number | undefined {
    const books = this.#books
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
    const visitors = [...this.#visitors.values()]
    return {
      now,
      claimable: this.claimable(now),
      idle: visitors.filter(({ stance }) => stance === 'idle').length,
      full: visitors.filter(({ stance }) => stance === 'full').length,
      present: visitors.length,
      asked: this.#books.asked().map(({ at }) => at),
      nextDue: this.nextDue(now),
    }
  }

  /** Jobs of an answer that was lost on its way to the visitor. */
  #missed(visit: string, holding: Turn['holding'], now: number): void {
    const held = new Set(holding.map(({ id, run }) => `${run}/${id}`))
    for (const job of this.#books.activeOf(visit))
      if (!held.has(`${job.run}/${job.id}`)) this.#settle(lostOutcome(job, 'lost'), now)
  }

  #settle(settled: Settled, now: number): void {
    const told = settle(this.#books, settled, now, this.#given.chance())
    if (told?.before.phase === phases.active) this.#given.meter?.attempt(told.after, now - told.before.since)
  }

  /** Jobs for a visitor with their results. Those that cannot be handed out end, and do not leave it idle while there are others. */
  #handOut(visit: string, want: number, now: number): Assignment[] {
    for (;;) {
      const claimed = claim(this.#books, visit, want, now)
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
      const job = this.#books.get(id)
      const result = job?.result ?? null
      bytes += byteLength(result ?? '')
      if (bytes > collectedBytes) return undefined
      collected.push({ id, state: job === undefined ? 'forgotten' : stateOf(job.phase), result })
    }
    return collected
  }

  #see(visit: string, stance: Presence['stance'], now: number): void {
    this.#visitors.set(visit, { seenAt: now, stance })
  }

  #nextSilence(): number | undefined {
    const seen = [...this.#visitors.values()].map(({ seenAt }) => seenAt)
    return seen.length === 0 ? undefined : Math.min(...seen) + silenceMs
  }

  #isHeld({ id, run }: { readonly id: string; readonly run: number }): boolean {
    const job = this.#books.get(id)
    return job !== undefined && job.run === run && job.phase === phases.active
  }
}

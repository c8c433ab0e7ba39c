import { z } from 'zod'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { badShare, maxBadShare, minCalls, type CallCounts } from './call-counts.ts'
import { breakerStates, openMs, type BreakerReport, type OpenTimes, type Opinion } from './opinion.ts'

/** Isolates that must say so before a breaker opens for all, whatever their share is: one may be wrong. */
const quorum = 2
/** How long a report counts that speaks for opening, and one that speaks against it. */
const badForMs = 2000
const goodForMs = 10_000
/** After a silence, how long isolates whose calls succeed have to say so. */
const hearingMs = 300
const maxIsolates = 5000
/** Reports a second that are aimed at, over all isolates whose calls succeed. */
const reportsPerSecond = 200
const keptTransitions = 20

const transition = z.object({
  /** In milliseconds since the epoch. */
  at: z.number(),
  to: z.enum(breakerStates),
  /** Isolates that reported, and of them those whose calls failed or were slow. */
  isolates: z.number(),
  bad: z.number(),
})
export type Transition = z.output<typeof transition>

/** What is stored of a breaker. Times in milliseconds since the epoch. */
export const storedBreaker = z.object({
  state: z.enum(breakerStates),
  /** While it is open: when a probe may be made. While it is half open: when the lease of the probe ends. */
  until: z.number(),
  failedProbes: z.number(),
  closings: z.number(),
  probes: z.number(),
  openings: z.number(),
  transitions: z.array(transition),
})
export type StoredBreaker = z.output<typeof storedBreaker>

const newBreaker: StoredBreaker = {
  state: 'closed',
  until: 0,
  failedProbes: 0,
  closings: 0,
  probes: 0,
  openings: 0,
  transitions: [],
}

/** The last report of an isolate. */
interface Report {
  readonly counts: CallCounts
  readonly isBad: boolean
  readonly until: number
}

/** The opinion of all isolates about one dependency. */
export class SharedBreaker {
  readonly #times: OpenTimes
  readonly #reports = new BoundedMap<string, Report>(maxIsolates)
  /** When an isolate first reported after a silence. */
  #hearsSince = -Infinity
  #lastReportAt = -Infinity
  #stored: StoredBreaker

  constructor(times: OpenTimes, stored: StoredBreaker = newBreaker) {
    this.#times = times
    this.#stored = stored
  }

  get stored(): StoredBreaker {
    return this.#stored
  }

  /** Takes a report in and answers with the opinion. `stored` is another object afterwards when the state has changed. */
  report({ isolate, counts, isOpen, closings, probeMs, probed }: BreakerReport, now: number): Opinion {
    if (probed !== undefined) this.#probed(probed, now)
    // Failures from before it closed say nothing about now.
    const isCurrent = closings === undefined || closings >= this.#stored.closings
    if (counts.calls > 0 && isCurrent) {
      if (now - this.#lastReportAt > goodForMs) this.#hearsSince = now
      this.#lastReportAt = now
      this.#reports.set(isolate, this.#reportOf(counts, isOpen, now))
    }
    if (this.#stored.state === 'closed') this.#openIfDown(now)
    const probe = probeMs === undefined ? undefined : this.#grantProbe(probeMs, now)
    return probe === undefined ? this.opinion(now) : { ...this.opinion(now), probe }
  }

  opinion(now: number): Opinion {
    const { state, until, closings } = this.#stored
    const reportEveryMs = Math.max(1000, (1000 * this.#reports.size) / reportsPerSecond)
    // While a probe is under way its end is asked for; it may come at any moment.
    const waitMs = state === 'closed' ? 0 : state === 'open' ? Math.max(1, until - now) : reportEveryMs / 2
    return { state, waitMs, closings, reportEveryMs }
  }

  #openIfDown(now: number): void {
    const { bad, isolates, badCalls } = this.#votes(now)
    const isDown = bad >= quorum && bad >= isolates * maxBadShare && badCalls >= minCalls
    if (!isDown || now < this.#hearsSince + hearingMs) return
    this.#change(now, {
      state: 'open',
      until: now + openMs(this.#times, 0),
      failedProbes: 0,
      openings: this.#stored.openings + 1,
    })
  }

  /** An isolate that has opened its own view reports again when it has tried again. */
  #reportOf(counts: CallCounts, isOpen: boolean, now: number): Report {
    const isBad = badShare(counts) >= maxBadShare
    const forMs = isBad ? (isOpen ? this.#times.maxMs + badForMs : badForMs) : goodForMs
    return { counts, isBad, until: now + forMs }
  }

  #votes(now: number): { readonly bad: number; readonly isolates: number; readonly badCalls: number } {
    let [bad, badCalls] = [0, 0]
    for (const [isolate, { until, isBad, counts }] of this.#reports) {
      if (until <= now) this.#reports.delete(isolate)
      else if (isBad) {
        bad++
        badCalls += counts.failed + counts.slow
      }
    }
    return { bad, isolates: this.#reports.size, badCalls }
  }

  /** One at a time: an open breaker whose time is over, or a probe that was not reported within its lease. */
  #grantProbe(probeMs: number, now: number): number | undefined {
    const { state, until, probes } = this.#stored
    if (state === 'closed' || now < until) return undefined
    this.#change(now, { state: 'half-open', until: now + probeMs, probes: probes + 1 })
    return probes + 1
  }

  #probed({ probe, isSuccess }: NonNullable<BreakerReport['probed']>, now: number): void {
    const { state, probes, closings, failedProbes } = this.#stored
    if (state !== 'half-open' || probe !== probes) return
    if (isSuccess) {
      this.#change(now, { state: 'closed', until: 0, failedProbes: 0, closings: closings + 1 })
      for (const [isolate, { isBad }] of this.#reports) if (isBad) this.#reports.delete(isolate)
    } else {
      const until = now + openMs(this.#times, failedProbes + 1)
      this.#change(now, { state: 'open', until, failedProbes: failedProbes + 1 })
    }
  }

  #change(now: number, change: Partial<StoredBreaker> & Pick<StoredBreaker, 'state'>): void {
    const { bad, isolates } = this.#votes(now)
    const transitions = [...this.#stored.transitions, { at: now, to: change.state, isolates, bad }]
    this.#stored = { ...this.#stored, ...change, transitions: transitions.slice(-keptTransitions) }
  }
}

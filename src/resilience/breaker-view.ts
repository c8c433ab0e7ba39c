import { badShare, CallWindow, maxBadShare, minCalls } from './call-counts.ts'
import {
  openMs,
  serviceOpenTimes,
  type BreakerReport,
  type BreakerState,
  type OpenTimes,
  type Opinion,
} from './opinion.ts'

/** A call under way. Whatever it holds ends with its lease: nothing of a cancelled request runs. */
export interface CallUnderWay {
  readonly begunAt: number
  readonly slowAt: number
  readonly leaseEndsAt: number
  /** The number of the shared probe that this call is, or that it is this isolate's own. */
  readonly probe: number | 'own' | undefined
  countedSlow: boolean
  /** It was counted among the failures in a row, though it has not ended. */
  isInStreak: boolean
}

/** Whether a call may be made: `ask` means that it may ask the breaker of all. */
export type Verdict =
  | { readonly kind: 'call' | 'ask' }
  | { readonly kind: 'open'; readonly retryInMs: number }
  | { readonly kind: 'full' }

/** What `afterAsking` lets the call that asked do. */
export type Permission =
  | { readonly kind: 'call'; readonly probe: CallUnderWay['probe'] }
  | { readonly kind: 'open'; readonly retryInMs: number }

/** What an isolate reports of its calls. */
type ViewReport = Pick<BreakerReport, 'counts' | 'isOpen' | 'closings'>

/** The wait between two reports of calls that failed or were slow. */
const badReportEveryMs = 200
/** After so many failures in a row only they are reported. */
const tellingStreak = 2
/** How long a question may take before another call asks. */
const askLeaseMs = 1000
/** Time beyond its deadline in which a call still tells how it ended. */
const lateMs = 1000

/** One isolate's view of a dependency: its own counts, and the opinion of all as it last heard it. */
export class BreakerView {
  readonly #maxUnderWay: number
  readonly #times: OpenTimes
  readonly #window = new CallWindow()
  readonly #underWay = new Set<CallUnderWay>()
  /** Failures since the last success, and calls that no success followed in time. */
  #streak = 0
  #lastOkAt = -Infinity
  /** Open by its own counts: until then no call is made. An answer to a call under way ends it where it opened by silence. */
  #own: { until: number; failedProbes: number; isBySilence?: boolean } | undefined
  #shared: { readonly state: BreakerState; until: number } | undefined
  #closings: number | undefined
  #askingUntil = 0
  #reportEveryMs = 1000
  #reportedAt = -Infinity
  /** It has opened since it last reported. */
  #hasOpened = false
  #unreported = { calls: 0, bad: 0 }
  /** How often it opened by its own counts. */
  openings = 0

  constructor(maxUnderWay: number, times: OpenTimes = serviceOpenTimes) {
    this.#maxUnderWay = maxUnderWay
    this.#times = times
  }

  state(now: number): BreakerState {
    if (this.#shared !== undefined) return this.#shared.state
    if (this.#own === undefined) return 'closed'
    return now < this.#own.until ? 'open' : 'half-open'
  }

  /** Whether a call may be made now. A verdict `ask` is given to one caller, until `afterAsking` or for a second. */
  decide(now: number): Verdict {
    this.#noteSlow(now)
    if (this.#own !== undefined || this.#shared !== undefined) {
      const retryInMs = this.#blockedUntil() - now
      if (retryInMs > 0) return { kind: 'open', retryInMs }
      if (now < this.#askingUntil) return { kind: 'open', retryInMs: this.#askingUntil - now }
      this.#askingUntil = now + askLeaseMs
      return { kind: 'ask' }
    }
    return this.#isFull(now) ? { kind: 'full' } : { kind: 'call' }
  }

  /** What the call that asked may do. `opinion` is undefined when the breaker did not answer: this isolate then has its own probe. */
  afterAsking(opinion: Opinion | undefined, deadlineMs: number, now: number): Permission {
    this.#askingUntil = 0
    if (opinion === undefined) {
      this.#shared = undefined
      return this.#ownProbe(deadlineMs, now)
    }
    this.hear(opinion, now)
    if (opinion.probe !== undefined) return { kind: 'call', probe: opinion.probe }
    if (this.#shared !== undefined) return { kind: 'open', retryInMs: Math.max(1, this.#shared.until - now) }
    return this.#own === undefined ? { kind: 'call', probe: undefined } : this.#ownProbe(deadlineMs, now)
  }

  /** Takes over the opinion of all. */
  hear({ state, waitMs, closings, reportEveryMs }: Opinion, now: number): void {
    this.#reportEveryMs = reportEveryMs
    if (state === 'closed') {
      const isNewlyClosed = closings > (this.#closings ?? closings)
      if (isNewlyClosed) this.#close(now)
      this.#shared = undefined
    } else {
      this.#shared = { state, until: now + waitMs }
    }
    this.#closings = closings
  }

  begin(deadlineMs: number, slowMs: number, now: number, probe?: CallUnderWay['probe']): CallUnderWay {
    const call = {
      begunAt: now,
      slowAt: now + slowMs,
      leaseEndsAt: now + deadlineMs + lateMs,
      probe,
      countedSlow: false,
      isInStreak: false,
    }
    this.#underWay.add(call)
    return call
  }

  /** A call ended. True when its failure opened this view. */
  end(call: CallUnderWay, isSuccess: boolean, now: number): boolean {
    this.#underWay.delete(call)
    if (!call.countedSlow) this.#count(isSuccess ? (now >= call.slowAt ? 'slow' : 'ok') : 'failed', now)
    if (isSuccess) {
      this.#streak = 0
      this.#lastOkAt = now
    } else if (!call.isInStreak) this.#streak++
    if (call.probe !== undefined) return this.#probed(isSuccess, now)
    if (isSuccess && this.#own?.isBySilence === true) this.#close(now)
    return this.#openIfDown(now)
  }

  /**
   * Counts to report now, undefined when there is nothing to say: bad calls at once and then five times a second, good ones
   * once a second at most, and only when there were some.
   */
  takeReport(now: number): ViewReport | undefined {
    const { calls, bad } = this.#unreported
    const sinceMs = now - this.#reportedAt
    if (this.#hasOpened) return this.report(now)
    const isDue = bad > 0 ? sinceMs >= badReportEveryMs : calls >= minCalls && sinceMs >= this.#reportEveryMs
    return isDue ? this.report(now) : undefined
  }

  /** Counts for a report that is made in any case. */
  report(now: number): ViewReport {
    this.#reportedAt = now
    this.#unreported = { calls: 0, bad: 0 }
    this.#hasOpened = false
    const streak = this.#streak
    const recent = this.#window.counts(now)
    // Of a sudden outage the successes before it say nothing.
    const counts =
      streak >= tellingStreak || recent.failed < streak ? { calls: streak, failed: streak, slow: 0 } : recent
    const closings = this.#closings === undefined ? {} : { closings: this.#closings }
    return { counts, isOpen: this.#own !== undefined, ...closings }
  }

  get underWay(): number {
    return this.#underWay.size
  }

  #blockedUntil(): number {
    return this.#shared?.until ?? this.#own?.until ?? 0
  }

  /** One call of this isolate; until it has ended, or its lease has, no other is made. */
  #ownProbe(deadlineMs: number, now: number): Permission {
    this.#own = { until: now + deadlineMs + lateMs, failedProbes: this.#own?.failedProbes ?? 0 }
    return { kind: 'call', probe: 'own' }
  }

  #probed(isSuccess: boolean, now: number): boolean {
    if (isSuccess) {
      this.#close(now)
      this.#shared = undefined
      return false
    }
    if (this.#own !== undefined) {
      const failedProbes = this.#own.failedProbes + 1
      this.#own = { until: now + openMs(this.#times, failedProbes), failedProbes }
    }
    // The answer to the report of the failed probe brings the real time.
    if (this.#shared !== undefined) this.#shared = { state: 'open', until: now + this.#times.firstMs }
    return false
  }

  #close(now: number): void {
    this.#own = undefined
    this.#streak = 0
    // Calls of before that have no answer say nothing any more.
    this.#lastOkAt = now
    this.#window.clear()
  }

  #openIfDown(now: number, isBySilence = false): boolean {
    if (this.#own !== undefined) return false
    const counts = this.#window.counts(now)
    const isDown = (counts.calls >= minCalls && badShare(counts) >= maxBadShare) || this.#streak >= minCalls
    if (!isDown) return false
    this.#own = { until: now + openMs(this.#times, 0), failedProbes: 0, isBySilence }
    this.openings++
    this.#hasOpened = true
    return true
  }

  #count(result: 'ok' | 'failed' | 'slow', now: number): void {
    this.#window.add(result, now)
    this.#unreported.calls++
    if (result !== 'ok') this.#unreported.bad++
  }

  /** Calls that are slow already, though they have not ended. They are kept in the order in which they began. */
  #noteSlow(now: number): void {
    const { silentMs, awakeMs } = this.#times
    let noted = false
    for (const call of this.#underWay) {
      const { begunAt, slowAt } = call
      if (Math.min(slowAt, begunAt + silentMs) > now) break
      const isUnanswered = this.#lastOkAt < begunAt
      const isSilent = isUnanswered && begunAt - this.#lastOkAt <= awakeMs && begunAt + silentMs <= now
      if (call.countedSlow || (slowAt > now && !isSilent)) continue
      call.countedSlow = true
      noted = true
      this.#count('slow', now)
      if (!isUnanswered) continue
      call.isInStreak = true
      this.#streak++
    }
    if (noted) this.#openIfDown(now, true)
  }

  #isFull(now: number): boolean {
    if (this.#underWay.size < this.#maxUnderWay) return false
    for (const call of this.#underWay) if (call.leaseEndsAt <= now) this.#underWay.delete(call)
    return this.#underWay.size >= this.#maxUnderWay
  }
}

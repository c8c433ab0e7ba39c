import { allowanceMs } from './allowance.ts'
import { guardMs, leaseMs } from './lease.ts'
import { capacityUnder, type Rules } from './rules.ts'

/** The row that covers all keys of an actor: each may have been granted its share until then. */
export interface CommonRow {
  /** Milliseconds since the epoch. */
  readonly until: number
}

/** A bucket that refills within this time is empty of everything granted before the last two periods. */
const drainMs = allowanceMs - leaseMs - guardMs

/**
 * Units that a key may be granted in two periods in a row without a row of its own: a quarter of its capacity, where its
 * buckets refill so fast that a third period begins with all of them full again.
 */
export function commonShare(rules: Rules): number {
  const refillsInTime = rules.windows.every(
    ({ algorithm, limit, windowMs, burst }) =>
      (algorithm === 'token-bucket' || algorithm === 'gcra') && 1.25 * burst * windowMs <= limit * drainMs,
  )
  return refillsInTime && rules.mode === 'hard' ? Math.floor(capacityUnder(rules) / 4) : 0
}

/** What one key was granted in the present period and in the one before. */
interface Granted {
  period: number
  before: number
  now: number
}

/**
 * One row for all keys of an actor instead of one for each: it says that every key may have been granted its share in a
 * period of `allowanceMs`. After a loss of memory that share is presumed lent for each key, so that limits can only be too
 * strict. A key that needs more in two periods in a row writes a row of its own.
 */
export class CommonAllowance {
  readonly #granted = new Map<string, Granted>()
  /** The row of an earlier life. */
  readonly #earlier: CommonRow | undefined
  #period = 0
  #until = Number.NEGATIVE_INFINITY
  /** When this life used the common row first: what an earlier life lent ends as of then. */
  #begunAt: number | undefined

  constructor(earlier: CommonRow | undefined) {
    this.#earlier = earlier
  }

  /**
   * Whether the common row covers `units` of `key`. `renewed` is the row to write before the answer leaves, where the last
   * one has ended.
   */
  cover(
    key: string,
    units: number,
    rules: Rules,
    now: number,
  ): { readonly covers: boolean; readonly renewed?: CommonRow } {
    const period = now < this.#until ? this.#period : this.#period + 1
    const granted = this.#grantedIn(period, key, rules, now)
    if (granted.before + granted.now + units > commonShare(rules)) return { covers: false }
    granted.now += units
    this.#granted.set(key, granted)
    if (period === this.#period) return { covers: true }
    this.#period = period
    this.#until = now + allowanceMs
    return { covers: true, renewed: { until: this.#until } }
  }

  /** The account of `key` was written: its row has everything granted so far. */
  written(key: string): void {
    this.#granted.delete(key)
  }

  /** What an earlier life may have lent to a key without a row of its own, and until when it may be spent. */
  presumed(rules: Rules, now: number): { readonly units: number; readonly until: number } | undefined {
    this.#begunAt ??= now
    if (this.#earlier === undefined) return undefined
    const until = Math.min(this.#begunAt, this.#earlier.until) + leaseMs + guardMs
    return now < until + drainMs ? { units: commonShare(rules), until } : undefined
  }

  /** Forgets keys that were granted nothing in this period or the one before. */
  sweep(): void {
    for (const [key, { period }] of this.#granted) if (period < this.#period - 1) this.#granted.delete(key)
  }

  #grantedIn(period: number, key: string, rules: Rules, now: number): Granted {
    const known = this.#granted.get(key)
    if (known?.period === period) return known
    if (known?.period === period - 1) return { period, before: known.now, now: 0 }
    const isFirst = period === 1 && this.#earlier !== undefined && now < this.#earlier.until + allowanceMs
    return { period, before: isFirst ? commonShare(rules) : 0, now: 0 }
  }
}

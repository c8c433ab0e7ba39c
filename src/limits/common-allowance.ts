import { allowanceMs } from './allowance.ts'
import { guardMs, leaseMs } from './lease.ts'
import { capacityUnder, type Rules } from './rules.ts'

/**
 * The row that covers all keys of an actor. A life of the actor lasts from when it wakes until it loses its memory. Times are in
 * milliseconds since the epoch.
 */
export interface CommonRow {
  /** Until then each key may have been granted its share in any ten seconds. */
  readonly until: number
  /** Until then units may have been lent, which are spent later than they are granted. Rows of the version before: as `until`. */
  readonly lentUntil?: number
  /** When the life that wrote it began, and how many shares of each key lives had then that ended shortly before, and this one. */
  readonly since?: number
  readonly shares?: number
  /** When it was written. */
  readonly at?: number
}

/** How long one row is valid. A life that lasts longer writes another. */
export const commonRowMs = 60_000
/** A bucket that refills within this time is empty of everything granted before the last two periods. */
const drainMs = allowanceMs - leaseMs - guardMs
/** Shares of a key that may be outstanding at a time: of lives that followed each other within ten seconds, and of the present one. */
const maxShares = 3

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

/** Units that earlier lives may have granted: lent, and to be spent until `lentUntil`, or spent at `spentAt` at the latest. */
export type Presumed = { readonly units: number } & ({ readonly lentUntil: number } | { readonly spentAt: number })

/** Whether units are covered. `row` is to be written before the answer leaves; `isNewPeriod` once in ten seconds of use. */
export type Cover =
  | { readonly covers: false }
  | { readonly covers: true; readonly row: CommonRow | undefined; readonly isNewPeriod: boolean }

/** What one key was granted in the present period and in the one before. */
interface Granted {
  period: number
  before: number
  now: number
}

/**
 * One row for all keys of an actor instead of one for each: it says that every key may have been granted its share in a
 * period of `allowanceMs`. After a loss of memory that share is presumed granted to each key, so that limits can only be too
 * strict. A key that needs more in two periods in a row writes a row of its own.
 */
export class CommonAllowance {
  readonly #granted = new Map<string, Granted>()
  /** The row of an earlier life. */
  readonly #earlier: CommonRow | undefined
  /** The row of this life. */
  #row: CommonRow | undefined
  #period = 0
  #periodEnd = Number.NEGATIVE_INFINITY
  /** When this life was used first: what an earlier life granted was granted before. */
  #begunAt: number | undefined

  constructor(earlier: CommonRow | undefined) {
    this.#earlier = earlier
  }

  /** Whether the common row covers `units` of `key`, some of which are lent or none. */
  cover(key: string, units: number, isLent: boolean, rules: Rules, now: number): Cover {
    const isNewPeriod = now >= this.#periodEnd
    const period = isNewPeriod ? this.#period + 1 : this.#period
    const granted = this.#grantedIn(period, key)
    if (granted.before + granted.now + units > commonShare(rules)) return { covers: false }
    const row = this.#rowFor(isLent, now)
    if (row === undefined) return { covers: false }
    granted.now += units
    this.#granted.set(key, granted)
    if (isNewPeriod) {
      this.#period = period
      this.#periodEnd = now + allowanceMs
    }
    const isWritten = row === this.#row
    this.#row = row
    return { covers: true, row: isWritten ? undefined : row, isNewPeriod }
  }

  /** The account of `key` was written: its row has everything granted so far. */
  written(key: string): void {
    this.#granted.delete(key)
  }

  /** What earlier lives may have granted to a key without a row of its own, and not refilled since. */
  presumed(rules: Rules, now: number): Presumed | undefined {
    const begunAt = (this.#begunAt ??= now)
    const units = this.#outstanding(begunAt) * commonShare(rules)
    if (this.#earlier === undefined || units === 0) return undefined
    const spentAt = Math.min(begunAt, this.#earlier.until)
    const lentUntil = Math.min(begunAt, lentUntilOf(this.#earlier)) + leaseMs + guardMs
    // The later of both, since some units may have been lent and others spent at once.
    if (now >= Math.max(spentAt, lentUntil) + drainMs) return undefined
    return lentUntil > spentAt ? { units, lentUntil } : { units, spentAt }
  }

  /** Forgets keys that were granted nothing in this period or the one before. */
  sweep(): void {
    for (const [key, { period }] of this.#granted) if (period < this.#period - 1) this.#granted.delete(key)
  }

  /** The row that covers what is granted now; undefined while too many lives follow each other. */
  #rowFor(isLent: boolean, now: number): CommonRow | undefined {
    const begunAt = (this.#begunAt ??= now)
    const known = this.#row
    if (known !== undefined && now < known.until && (!isLent || now < lentUntilOf(known))) return known
    const outstanding = now < begunAt + allowanceMs ? this.#outstanding(begunAt) : 0
    if (outstanding >= maxShares) return undefined
    const earlierLent = this.#earlier === undefined ? 0 : Math.min(begunAt, lentUntilOf(this.#earlier))
    const lentBefore = known === undefined ? earlierLent : lentUntilOf(known)
    return {
      until: now + commonRowMs,
      lentUntil: isLent ? now + allowanceMs : lentBefore,
      since: begunAt,
      shares: outstanding + 1,
      at: now,
    }
  }

  /** Shares of each key that lives before this one, which began at `begunAt`, may have granted and that may not be refilled. */
  #outstanding(begunAt: number): number {
    const { until, since = Number.NEGATIVE_INFINITY, shares = 1 } = this.#earlier ?? never
    if (begunAt >= until + allowanceMs) return 0
    return begunAt >= since + allowanceMs ? 1 : shares
  }

  #grantedIn(period: number, key: string): Granted {
    const known = this.#granted.get(key)
    if (known?.period === period) return known
    return { period, before: known?.period === period - 1 ? known.now : 0, now: 0 }
  }
}

const never: CommonRow = { until: Number.NEGATIVE_INFINITY }

/** When a row was written: a time that has passed already. */
export const writtenAt = ({ at, until }: CommonRow): number => at ?? until - allowanceMs

const lentUntilOf = ({ lentUntil, until }: CommonRow): number => lentUntil ?? until

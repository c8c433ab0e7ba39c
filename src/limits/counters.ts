/** The figures of one label since its holder started. */
export interface Counters {
  decisions: number
  refusals: number
  /** Calls to limiters. */
  asks: number
  /** Units lent by limiters, and units given back to them unspent. */
  lent: number
  returned: number
  /** Decisions without a limiter, because it could not be reached. */
  failedOpen: number
  failedClosed: number
}

/** Labels kept apart; more of them would be names chosen by tenants. */
const maxLabels = 64

/** The figures of a holder, by label, and the keys it refused the most. */
export class CountersByPolicy {
  readonly #byLabel = new Map<string, Counters>()
  readonly top = new TopKeys()

  of(label: string): Counters {
    const name = this.#byLabel.has(label) || this.#byLabel.size < maxLabels ? label : 'other'
    const known = this.#byLabel.get(name)
    if (known !== undefined) return known
    const counters = { decisions: 0, refusals: 0, asks: 0, lent: 0, returned: 0, failedOpen: 0, failedClosed: 0 }
    this.#byLabel.set(name, counters)
    return counters
  }

  all(): Record<string, Counters> {
    return Object.fromEntries([...this.#byLabel].map(([label, counters]) => [label, { ...counters }]))
  }
}

/** The keys refused the most, in bounded memory (space-saving, Metwally et al. 2005: counts are never too low). */
export class TopKeys {
  readonly #counts = new Map<string, number>()
  readonly #size: number

  constructor(size = 64) {
    this.#size = size
  }

  add(key: string): void {
    const known = this.#counts.get(key)
    if (known !== undefined || this.#counts.size < this.#size) {
      this.#counts.set(key, (known ?? 0) + 1)
      return
    }
    const [least, count] = [...this.#counts].reduce((a, b) => (b[1] < a[1] ? b : a))
    this.#counts.delete(least)
    this.#counts.set(key, count + 1)
  }

  list(): { readonly key: string; readonly refusals: number }[] {
    return [...this.#counts].map(([key, refusals]) => ({ key, refusals })).toSorted((a, b) => b.refusals - a.refusals)
  }
}

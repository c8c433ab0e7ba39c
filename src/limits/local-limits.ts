import { createWindowCounter } from './windows/create.ts'
import type { WindowCounter } from './windows/window-counter.ts'
import type { Taken } from './ports.ts'
import type { Window } from './rules.ts'

/**
 * Limits of one process, for what only it can see (a user's connects at one gateway, the typing of one connection) and
 * for the time when no limiter answers. Asks no actor and survives no restart, so across n processes the bound is n
 * times the limit.
 */
export class LocalLimits {
  readonly #known = new Map<string, Known>()
  readonly #keys: number
  readonly #most: number
  #sweptAt = Number.NEGATIVE_INFINITY

  /**
   * `keys` and `most` bound the memory. Beyond `keys`, entries that have all their units back are dropped, which loses
   * nothing; beyond `most`, more than a gateway has connections, the oldest.
   */
  constructor(keys = 10_000, most = 4 * keys) {
    this.#keys = keys
    this.#most = most
  }

  /** Takes `cost` units of `key` from all windows, or from none when one of them does not have them. */
  takeAll(key: string, windows: readonly Window[], now: number, cost = 1): Taken {
    const meters = this.#metersOf(key, windows, now)
    const waitMs = Math.max(0, ...meters.map((meter) => meter.waitMs(meter.capacity - cost, now)))
    if (waitMs > 0) return { kind: 'limited', retryAfterMs: Number.isFinite(waitMs) ? Math.max(1, waitMs) : 1000 }
    for (const meter of meters) meter.spend(cost, now)
    return { kind: 'taken' }
  }

  /** Undoes a decision of this very moment, because another level refused it. */
  giveBack(key: string, now: number, cost = 1): void {
    for (const meter of this.#known.get(key)?.meters ?? []) meter.unspend(cost, now, now)
  }

  forget(key: string): void {
    this.#known.delete(key)
  }

  #metersOf(key: string, windows: readonly Window[], now: number): readonly WindowCounter[] {
    const known = this.#known.get(key)
    if (known !== undefined && sameWindows(known.windows, windows)) return known.meters
    if (known === undefined) this.#dropOldest(now)
    const meters = windows.map((window) => createWindowCounter(window))
    this.#known.set(key, { windows, meters })
    return meters
  }

  #dropOldest(now: number): void {
    if (this.#known.size >= this.#keys && now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now
      for (const [key, { meters }] of this.#known) if (meters.every((meter) => meter.used(now) === 0)) this.forget(key)
    }
    const oldest = this.#known.size < this.#most ? undefined : this.#known.keys().next().value
    if (oldest !== undefined) this.forget(oldest)
  }
}

interface Known {
  readonly windows: readonly Window[]
  readonly meters: readonly WindowCounter[]
}

/** How often entries that have all their units back are looked for: the search looks at all of them. */
const sweepMs = 1000

/** Changed limits start anew. */
const sameWindows = (one: readonly Window[], other: readonly Window[]): boolean =>
  one.length === other.length &&
  one.every((window, place) => window.limit === other[place]?.limit && window.burst === other[place].burst)

import { createMeter } from './meters/create.ts'
import type { Meter } from './meters/meter.ts'
import type { Window } from './rules.ts'

/**
 * Limits of one process, for what only it can see (a user's connects at her gateway, the typing of one connection) and
 * for when no limiter answers. Nothing is asked and nothing survives, so across n processes the bound is n times the limit.
 */
export class LocalLimits {
  readonly #meters = new Map<string, { readonly windows: readonly Window[]; readonly meters: readonly Meter[] }>()
  readonly #keys: number

  /** `keys` bounds the memory; beyond it the longest known are forgotten. */
  constructor(keys = 10_000) {
    this.#keys = keys
  }

  /** Takes `cost` units of `key` from all windows: 0 when they were there, else milliseconds until they are. */
  takeAll(key: string, windows: readonly Window[], now: number, cost = 1): number {
    const meters = this.#metersOf(key, windows)
    const waitMs = Math.max(0, ...meters.map((meter) => meter.waitMs(meter.capacity - cost, now)))
    if (waitMs > 0) return Number.isFinite(waitMs) ? Math.max(1, waitMs) : 1000
    for (const meter of meters) meter.spend(cost, now)
    return 0
  }

  /** Undoes a decision of this very moment: somebody else refused it. */
  giveBack(key: string, now: number, cost = 1): void {
    for (const meter of this.#meters.get(key)?.meters ?? []) meter.unspend(cost, now, now)
  }

  forget(key: string): void {
    this.#meters.delete(key)
  }

  #metersOf(key: string, windows: readonly Window[]): readonly Meter[] {
    const known = this.#meters.get(key)
    if (known !== undefined && sameWindows(known.windows, windows)) return known.meters
    const oldest = this.#meters.size < this.#keys ? undefined : this.#meters.keys().next().value
    if (oldest !== undefined) this.#meters.delete(oldest)
    const meters = windows.map((window) => createMeter(window))
    this.#meters.set(key, { windows, meters })
    return meters
  }
}

/** Limits that were changed begin anew. */
const sameWindows = (one: readonly Window[], other: readonly Window[]): boolean =>
  one.length === other.length &&
  one.every((window, place) => window.limit === other[place]?.limit && window.burst === other[place].burst)

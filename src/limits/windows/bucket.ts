import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/**
 * Token bucket, and GCRA, which is the same arithmetic (ITU-T I.371) with a small burst. Kept as a debt that drains, in
 * units × windowMs: with whole limits and milliseconds every sum is a whole number, so nothing is ever rounded.
 */
export class Bucket implements WindowCounter {
  readonly capacity: number
  readonly #window: Window
  #debt: number
  /** The time of the debt: the latest moment at which units were spent. */
  #at: number

  constructor(window: Window, [debt = 0, at = 0]: readonly number[] = []) {
    this.#window = window
    this.capacity = window.burst
    this.#debt = debt
    this.#at = at
  }

  used(now: number): number {
    return this.#debtAt(now) / this.#window.windowMs
  }

  spend(units: number, at: number): void {
    this.#debt = this.#debtAt(at) + units * this.#window.windowMs
    this.#at = Math.max(this.#at, at)
  }

  /** Without the units being spent, what has dripped since might have dripped into a full bucket: that much is kept. */
  unspend(units: number, at: number, now: number): void {
    const { windowMs, limit } = this.#window
    const back = Math.max(0, units * windowMs - limit * Math.max(0, now - at))
    this.#debt = Math.max(0, this.#debtAt(now) - back)
    this.#at = Math.max(this.#at, now)
  }

  waitMs(most: number, now: number): number {
    if (most < 0) return Number.POSITIVE_INFINITY
    const { windowMs, limit } = this.#window
    return Math.max(0, Math.ceil((this.#debtAt(now) - most * windowMs) / limit))
  }

  endOf(): number {
    return Number.POSITIVE_INFINITY
  }

  save(): number[] {
    return [this.#debt, this.#at]
  }

  #debtAt(now: number): number {
    return Math.max(0, this.#debt - this.#window.limit * Math.max(0, now - this.#at))
  }
}

import { debtOf, drained, drainMs, unitsOf } from '../../kernel/token-bucket.ts'
import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/** Token bucket, and GCRA, which is the same with a small burst. */
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
    return unitsOf(this.#window, this.#debtAt(now))
  }

  spend(units: number, at: number): void {
    this.#debt = this.#debtAt(at) + debtOf(this.#window, units)
    this.#at = Math.max(this.#at, at)
  }

  /** Without the units being spent, what has dripped since might have dripped into a full bucket: that much is kept. */
  unspend(units: number, at: number, now: number): void {
    const back = drained(this.#window, debtOf(this.#window, units), now - at)
    this.#debt = Math.max(0, this.#debtAt(now) - back)
    this.#at = Math.max(this.#at, now)
  }

  waitMs(most: number, now: number): number {
    if (most < 0) return Number.POSITIVE_INFINITY
    return drainMs(this.#window, this.#debtAt(now), most)
  }

  endOf(): number {
    return Number.POSITIVE_INFINITY
  }

  save(): number[] {
    return [this.#debt, this.#at]
  }

  #debtAt(now: number): number {
    return drained(this.#window, this.#debt, now - this.#at)
  }
}

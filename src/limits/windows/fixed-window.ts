import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/** Counts from zero in every window of the epoch: `limit` units in each, so up to twice that across a boundary. */
export class FixedWindow implements WindowCounter {
  readonly capacity: number
  readonly #windowMs: number
  #start: number
  #count: number

  constructor({ limit, windowMs }: Window, [start = 0, count = 0]: readonly number[] = []) {
    this.capacity = limit
    this.#windowMs = windowMs
    this.#start = start
    this.#count = count
  }

  used(now: number): number {
    return this.#startOf(now) === this.#start ? this.#count : 0
  }

  /** What was spent in a window that is over no longer counts. */
  spend(units: number, at: number): void {
    const start = this.#startOf(at)
    if (start < this.#start) return
    this.#count = (start === this.#start ? this.#count : 0) + units
    this.#start = start
  }

  unspend(units: number, at: number): void {
    if (this.#startOf(at) === this.#start) this.#count = Math.max(0, this.#count - units)
  }

  waitMs(most: number, now: number): number {
    if (this.used(now) <= most) return 0
    return most < 0 ? Number.POSITIVE_INFINITY : this.endOf(now) - now
  }

  endOf(now: number): number {
    return this.#startOf(now) + this.#windowMs
  }

  save(): number[] {
    return [this.#start, this.#count]
  }

  #startOf(at: number): number {
    return Math.floor(at / this.#windowMs) * this.#windowMs
  }
}

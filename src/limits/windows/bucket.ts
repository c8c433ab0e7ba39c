import { levelOf, drained, drainMs, unitsOf } from '../../kernel/token-bucket.ts'
import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/** Token bucket, and GCRA, which is the same with a small burst. */
export class Bucket implements WindowCounter {
  readonly capacity: number
  readonly #window: Window
  #level: number
  /** The time of the level: the latest moment at which units were spent. */
  #at: number

  constructor(window: Window, [level = 0, at = 0]: readonly number[] = []) {
    this.#window = window
    this.capacity = window.burst
    this.#level = level
    this.#at = at
  }

  used(now: number): number {
    return unitsOf(this.#window, this.#levelAt(now))
  }

  spend(units: number, at: number): void {
    this.#level = this.#levelAt(at) + levelOf(this.#window, units)
    this.#at = Math.max(this.#at, at)
  }

  /** Without the units being spent, what has dripped since might have dripped into a full bucket: that much is kept. */
  unspend(units: number, at: number, now: number): void {
    const back = drained(this.#window, levelOf(this.#window, units), now - at)
    this.#level = Math.max(0, this.#levelAt(now) - back)
    this.#at = Math.max(this.#at, now)
  }

  waitMs(most: number, now: number): number {
    if (most < 0) return Number.POSITIVE_INFINITY
    return drainMs(this.#window, this.#levelAt(now), most)
  }

  endOf(): number {
    return Number.POSITIVE_INFINITY
  }

  save(): number[] {
    return [this.#level, this.#at]
  }

  #levelAt(now: number): number {
    return drained(this.#window, this.#level, now - this.#at)
  }
}

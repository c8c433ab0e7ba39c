/** Readings kept apart. More than a busy holder has events within one lease would gain nothing. */
const size = 256

/**
 * The readings of a clock that stands still within an event. An event under one reading had ended when the next reading
 * was taken: the only certain bound on when it really happened, however long it lasted.
 */
export class ClockReadings {
  readonly #shown = new Float64Array(size).fill(Number.POSITIVE_INFINITY)
  #count = 0
  #latest = Number.NEGATIVE_INFINITY

  get latest(): number {
    return this.#latest
  }

  /** The clock shows a later time than before. */
  note(now: number): void {
    this.#latest = now
    this.#shown[this.#count++ % size] = now
  }

  /** The clock was set back: earlier readings can no longer be compared. */
  restart(now: number): void {
    this.#shown.fill(Number.POSITIVE_INFINITY)
    this.#count = 0
    this.note(now)
  }

  /** The moment by which everything under the reading `at` had certainly ended, at the latest now. */
  endOf(at: number): number {
    let end = this.#latest
    for (let back = 1; back <= Math.min(size, this.#count); back++) {
      const shown = this.#shown[(this.#count - back) % size] ?? at
      if (shown <= at) return end
      end = shown
    }
    return end
  }
}

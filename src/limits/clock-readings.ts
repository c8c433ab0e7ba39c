/** Readings remembered apart: more than there are events within any lease's life at a busy holder would buy nothing. */
const size = 256

/**
 * What a clock that stands still within an event has shown. What happened under one reading was over by the next: that
 * is the one sure word on when it really happened, however long the event lasted.
 */
export class ClockReadings {
  readonly #shown = new Float64Array(size).fill(Number.POSITIVE_INFINITY)
  #count = 0
  #latest = Number.NEGATIVE_INFINITY

  get latest(): number {
    return this.#latest
  }

  /** The clock shows something later than before. */
  note(now: number): void {
    this.#latest = now
    this.#shown[this.#count++ % size] = now
  }

  /** The clock was set back: what it showed before is no longer comparable. */
  restart(now: number): void {
    this.#shown.fill(Number.POSITIVE_INFINITY)
    this.#count = 0
    this.note(now)
  }

  /** When what happened under the reading `at` was over for certain, at the latest now. */
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

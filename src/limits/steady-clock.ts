/** Milliseconds since the epoch. */
type Now = () => number

/**
 * A clock that never jumps back. When the clock beneath is set back, time goes on from where it was at the usual pace:
 * nothing refills twice, and no caller waits until the old time is reached again. `jumps` counts how often that
 * happened.
 */
export class SteadyClock {
  readonly #beneath: Now
  #latest: number
  #skew = 0
  jumps = 0

  /** `floor`: a time that has passed already. */
  constructor(beneath: Now, floor = Number.NEGATIVE_INFINITY) {
    this.#beneath = beneath
    this.#latest = floor
  }

  now(): number {
    const now = this.#beneath() + this.#skew
    if (now >= this.#latest) return (this.#latest = now)
    this.#skew += this.#latest - now
    this.jumps++
    return this.#latest
  }
}

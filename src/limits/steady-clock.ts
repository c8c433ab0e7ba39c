/** Milliseconds since the epoch. */
type Now = () => number

/**
 * A clock that never jumps back. When the one beneath does, time goes on from where it was at the usual pace: nothing
 * refills twice, and nobody waits until the old hour is reached again. `jumps` tells how often that happened.
 */
export class SteadyClock {
  readonly #beneath: Now
  #latest: number
  #skew = 0
  jumps = 0

  /** `floor`: time was this late already. */
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

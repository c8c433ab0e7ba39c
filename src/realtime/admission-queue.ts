/** Somebody's way in: what letting in means, and whether they still wait for it. */
export interface Arrival {
  /** Must not throw. */
  enter(): Promise<void>
  isGone(): boolean
}

/**
 * Lets in so many at once; whoever else comes waits in line. After everybody's connection broke everybody comes back at
 * the same time: served all together each would wait for the last, and give up, and come again. Served in order the
 * first are in at once, and who has given up meanwhile costs nothing.
 */
export class AdmissionQueue {
  readonly #width: number
  #waiting: Arrival[] = []
  #head = 0
  #inside = 0

  constructor(width: number) {
    this.#width = width
  }

  /** How many wait outside. */
  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  enqueue(arrival: Arrival): void {
    this.#waiting.push(arrival)
    this.#admit()
  }

  #admit(): void {
    while (this.#inside < this.#width) {
      const next = this.#next()
      if (next === undefined) return
      this.#inside++
      void this.#during(next)
    }
  }

  async #during(arrival: Arrival): Promise<void> {
    try {
      await arrival.enter()
    } finally {
      this.#inside--
      this.#admit()
    }
  }

  /** The first in line who is still there. */
  #next(): Arrival | undefined {
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head++]
      if (next?.isGone() === false) return next
    }
    this.#waiting = []
    this.#head = 0
    return undefined
  }
}

/** Work that waits for admission. */
export interface Arrival {
  /** Does the work. Must not throw. */
  enter(): Promise<void>
  /** Whether the work is no longer wanted. */
  isGone(): boolean
}

/**
 * Admits `width` arrivals at a time; the others wait in the order of their arrival. After a network failure all clients
 * connect at once: served all together, each would wait for the last, time out and connect again. Served in order the
 * first are done at once, and those that timed out meanwhile are skipped.
 */
export class AdmissionQueue {
  readonly #width: number
  #waiting: Arrival[] = []
  #head = 0
  #admitted = 0

  constructor(width: number) {
    this.#width = width
  }

  /** How many arrivals wait. */
  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  enqueue(arrival: Arrival): void {
    this.#waiting.push(arrival)
    this.#admit()
  }

  #admit(): void {
    while (this.#admitted < this.#width) {
      const next = this.#next()
      if (next === undefined) return
      this.#admitted++
      void this.#during(next)
    }
  }

  async #during(arrival: Arrival): Promise<void> {
    try {
      await arrival.enter()
    } finally {
      this.#admitted--
      this.#admit()
    }
  }

  /** The first arrival that is still wanted. */
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

/** How long the last bytes of a stream may still be read after its end. */
const lingerMs = 10_000

interface Ended {
  readonly abandon: () => void
  readonly until: number
}

/**
 * Streams that have ended and may still be read: one timer for all of them. The runtime allows ten thousand timers for one
 * actor, and work that needs a timer fails when ended streams hold them all.
 */
export class EndedStreams {
  readonly #now: () => number
  readonly #ended: Ended[] = []
  #isWaiting = false

  constructor(now: () => number) {
    this.#now = now
  }

  /** Calls `abandon` once the time to read is over. */
  add(abandon: () => void): void {
    this.#ended.push({ abandon, until: this.#now() + lingerMs })
    this.#wait(lingerMs)
  }

  #wait(ms: number): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    setTimeout(() => this.#sweep(), ms)
  }

  /** The list is in the order of time. */
  #sweep(): void {
    this.#isWaiting = false
    const now = this.#now()
    const left = this.#ended.findIndex(({ until }) => until > now)
    for (const { abandon } of this.#ended.splice(0, left < 0 ? this.#ended.length : left)) abandon()
    const [next] = this.#ended
    if (next !== undefined) this.#wait(next.until - now)
  }
}

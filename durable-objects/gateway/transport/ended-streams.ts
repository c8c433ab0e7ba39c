/** How long what was said last may still be read once a stream has ended. */
const lingerMs = 10_000

interface Ended {
  readonly abandon: () => void
  readonly until: number
}

/**
 * Streams that have ended and may still be read: one timer for all of them. The runtime bears ten thousand timers for one
 * actor, and what needs one fails when ended streams hold them.
 */
export class EndedStreams {
  readonly #now: () => number
  readonly #ended: Ended[] = []
  #isWaiting = false

  constructor(now: () => number) {
    this.#now = now
  }

  /** Calls `abandon` when the time to read is over. */
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

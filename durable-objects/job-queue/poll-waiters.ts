interface Waiting {
  readonly want: number
  readonly open: () => void
}

/**
 * Visitors who wait for work at the door, so that a job that comes while one is there starts at once instead of
 * having to send for somebody. In memory only: whoever is lost here is sent for again.
 */
export class PollWaiters {
  readonly #waiting = new Map<string, Waiting>()

  /** Waits until somebody opens, at most `ms`. A visitor waits once: coming again opens the first door. */
  async wait(visit: string, want: number, ms: number): Promise<void> {
    this.#waiting.get(visit)?.open()
    const opened = Promise.withResolvers<void>()
    const timer = setTimeout(opened.resolve, ms)
    const waiting = { want, open: opened.resolve }
    this.#waiting.set(visit, waiting)
    await opened.promise
    clearTimeout(timer)
    if (this.#waiting.get(visit) === waiting) this.#waiting.delete(visit)
  }

  /** There is work for `jobs`: as many are let in as have the hands for it. */
  wakeFor(jobs: number): void {
    let left = jobs
    for (const [visit, { want, open }] of this.#waiting) {
      if (left <= 0) return
      if (want <= 0) continue
      left -= want
      this.#waiting.delete(visit)
      open()
    }
  }

  /** Lets one visitor in, who has something to say. */
  wake(visit: string): void {
    this.#waiting.get(visit)?.open()
  }
}

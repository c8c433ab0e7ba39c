interface Waiter {
  readonly capacity: number
  readonly wake: (reason: WakeReason) => void
}

/** Why a long poll ends: there are jobs, a newer poll of the same worker overtook it, or its time is up. */
export type WakeReason = 'jobs' | 'overtaken' | 'timeout'

/**
 * Workers in a long poll, so that a job that arrives meanwhile starts at once instead of waiting for a new run. In memory
 * only: a worker that is lost here is replaced like any other.
 */
export class PollWaiters {
  readonly #waiting = new Map<string, Waiter>()

  /** Waits at most `ms`. A worker waits once: its next poll ends this wait. */
  async wait(run: string, capacity: number, ms: number): Promise<WakeReason> {
    const { promise, resolve } = Promise.withResolvers<WakeReason>()
    const timer = setTimeout(() => resolve('timeout'), ms)
    const waiter = { capacity, wake: resolve }
    this.#waiting.set(run, waiter)
    const reason = await promise
    clearTimeout(timer)
    if (this.#waiting.get(run) === waiter) this.#waiting.delete(run)
    return reason
  }

  /** Ends the wait of a worker that polls again. */
  overtake(run: string): void {
    this.#waiting.get(run)?.wake('overtaken')
    this.#waiting.delete(run)
  }

  /** Wakes as many workers as have capacity for so many jobs. */
  wakeFor(jobs: number): void {
    let left = jobs
    for (const [run, { capacity, wake }] of this.#waiting) {
      if (left <= 0) return
      if (capacity <= 0) continue
      left -= capacity
      this.#waiting.delete(run)
      wake('jobs')
    }
  }
}

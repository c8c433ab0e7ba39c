/**
 * Handles calls that arrive together as one batch: a commit costs the same for one and for a hundred. Each caller gets its
 * own answer, or the error of the batch.
 */
export class Batcher<In, Out> {
  readonly #take: (all: readonly In[]) => readonly Out[]
  #waiting: In[] = []
  #batch: Promise<readonly Out[]> | undefined

  constructor(take: (all: readonly In[]) => readonly Out[]) {
    this.#take = take
  }

  async add(one: In): Promise<Out> {
    const index = this.#waiting.push(one) - 1
    this.#batch ??= this.#takeSoon()
    const out = (await this.#batch)[index]
    if (out === undefined) throw new Error('no answer')
    return out
  }

  /** In the next task of the event loop: calls that have arrived already are added before it. */
  async #takeSoon(): Promise<readonly Out[]> {
    await scheduler.wait(0)
    const all = this.#waiting
    this.#waiting = []
    this.#batch = undefined
    return this.#take(all)
  }
}

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

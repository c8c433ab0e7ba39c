/** A worker run, as far as draining concerns it. */
interface Drainable {
  /** Takes no more jobs, and ends when those it has are done. */
  drain(): void
}

const pollMs = 25

/**
 * The worker runs of this isolate, so that they can end before it does. On a self-hosted server the isolate is the whole
 * process; Cloudflare lets requests under way finish by itself.
 */
export class Drain {
  readonly #runs = new Set<Drainable>()
  #isOver = false

  /** Whether no more runs start here. */
  get isOver(): boolean {
    return this.#isOver
  }

  async during<T>(run: Drainable, work: () => Promise<T>): Promise<T> {
    this.#runs.add(run)
    try {
      return await work()
    } finally {
      this.#runs.delete(run)
    }
  }

  /**
   * Starts no more runs and gives those under way no more jobs; returns how many are left after `ms`. It polls, since one
   * request of a Worker cannot await another.
   */
  async end(ms: number, pause: (ms: number) => Promise<void>): Promise<number> {
    this.#isOver = true
    for (const run of this.#runs) run.drain()
    for (let waited = 0; this.#runs.size > 0 && waited < ms; waited += pollMs) await pause(pollMs)
    return this.#runs.size
  }
}

/** The drain of this isolate. */
export const drain = new Drain()

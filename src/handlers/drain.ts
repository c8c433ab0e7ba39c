/** A visit, as far as the end of a shift concerns it. */
interface Drainable {
  /** Takes no more jobs, and leaves when those it has are done. */
  drain(): void
}

const lookMs = 25

/**
 * The visits under way in this isolate, so that they can end before it does. Where one hosts the Worker oneself that is the
 * whole process; Cloudflare lets requests under way end by itself.
 */
export class Drain {
  readonly #runs = new Set<Drainable>()
  #isOver = false

  /** Whether visits are still made here. */
  get isOver(): boolean {
    return this.#isOver
  }

  async during<T>(visit: Drainable, work: () => Promise<T>): Promise<T> {
    this.#runs.add(visit)
    try {
      return await work()
    } finally {
      this.#runs.delete(visit)
    }
  }

  /** No more visits, and no more jobs for those under way; returns how many are left after `ms`. It looks, since requests cannot wait for one another. */
  async end(ms: number, pause: (ms: number) => Promise<void>): Promise<number> {
    this.#isOver = true
    for (const visit of this.#runs) visit.drain()
    for (let waited = 0; this.#runs.size > 0 && waited < ms; waited += lookMs) await pause(lookMs)
    return this.#runs.size
  }
}

/** This isolate's. */
export const drain = new Drain()

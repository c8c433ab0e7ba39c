/** A worker run, as far as draining concerns it. */
interface Drainable {
  /** Takes no more jobs, and ends when those it has are done. */
  drain(): void
}

/** How often a drain looks whether the last run has ended. */
const pollMs = 25

/**
 * The end of the worker runs of this isolate before its own. On a self-hosted server the isolate is the whole process;
 * Cloudflare lets requests under way finish by itself.
 */
export class Drain {
  /** The runs under way: each is added when it starts and deleted when it is over. */
  readonly runs = new Set<Drainable>()
  /** Whether no more runs start here. */
  isOver = false

  /**
   * Starts no more runs and gives those under way no more jobs; returns how many are left after `ms`. It polls, since one
   * request of a Worker cannot await another.
   */
  async end(ms: number, pause: (ms: number) => Promise<void>): Promise<number> {
    this.isOver = true
    for (const run of this.runs) run.drain()
    for (let waited = 0; this.runs.size > 0 && waited < ms; waited += pollMs) await pause(pollMs)
    return this.runs.size
  }
}

/** The drain of this isolate. */
export const drain = new Drain()

import type { JobDays } from './job-days.ts'
import type { JobStream } from './job-stream.ts'
import type { SqlStores } from './sql-stores.ts'

/** Jobs deleted at a time; the rest follow after a pause in which calls are answered. */
const maxForgotten = 5000
const pauseMs = 50

/** Deletes the jobs of one queue whose retention is over. */
export class Retention {
  readonly #stores: SqlStores
  readonly #days: JobDays
  readonly #stream: JobStream
  /** Whether the last deletion may have left some. */
  #hasMore = false
  #isForgetting = false

  constructor(stores: SqlStores, days: JobDays, stream: JobStream) {
    this.#stores = stores
    this.#days = days
    this.#stream = stream
  }

  /** Deletes at most `maxForgotten` jobs, and notes before it on which day they were accepted. */
  forget(now: number): void {
    this.#days.note(now)
    this.#hasMore = this.#stores.forget(now, maxForgotten) === maxForgotten
    this.#stream.forget()
  }

  /**
   * Deletes what `forget` left, as a busy queue ends more jobs between two sweeps than are deleted at a time. The next sweep
   * continues after an eviction.
   */
  async forgetTheRest(changing: (forget: (now: number) => void) => void): Promise<void> {
    if (this.#isForgetting) return
    this.#isForgetting = true
    try {
      while (this.#hasMore) {
        await scheduler.wait(pauseMs)
        changing((now) => this.forget(now))
      }
    } finally {
      this.#isForgetting = false
    }
  }
}

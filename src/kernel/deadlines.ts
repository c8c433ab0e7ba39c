import type { Clock } from './clock.ts'

interface Wait {
  readonly due: number
  readonly fail: () => void
}

/**
 * Deadlines of the calls of one actor, without a timer for each: a timer costs more than many a call, and keeps an actor
 * awake. An alarm that rings anyway ends what is overdue, so that a deadline is kept as exactly as that alarm rings.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #waits = new Set<Wait>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The calls under way. */
  get size(): number {
    return this.#waits.size
  }

  /** Fails with `what timed out` if `work` is not done when `expire` finds it overdue; the work itself goes on, so it must be idempotent. */
  within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = () => reject(new Error(`${what} timed out after ${ms} ms`))
      const wait = { due: this.#clock.now() + ms, fail }
      this.#waits.add(wait)
      work.then(
        (value) => {
          this.#waits.delete(wait)
          resolve(value)
        },
        (thrown: unknown) => {
          this.#waits.delete(wait)
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)))
        },
      )
    })
  }

  /** Fails what is overdue. */
  expire(now: number): void {
    for (const wait of this.#waits) {
      if (wait.due > now) continue
      this.#waits.delete(wait)
      wait.fail()
    }
  }
}

import type { Clock } from '../../../src/kernel/clock.ts'

/**
 * How often the clock looks whether timers are served in time, in milliseconds. The eight pongs of a probe may come in eight turns
 * of a busy thread: that must stay below the time they have.
 */
const tickMs = 15
/** The clock stops to look so long after it was last read, in milliseconds, so that it keeps no sleeping gateway awake. */
const idleMs = 1000

/**
 * The time during which an actor served its events: while a timer is late, the clock stands still. What a client sent in time
 * may wait behind other events of a busy thread, and that wait is not the client's. One per actor, since a timer ends with it.
 */
export class ResponsiveClock implements Clock {
  readonly #clock: Clock
  /** Milliseconds that timers were late. */
  #late = 0
  #tickedAt = 0
  #readAt = 0
  #isRunning = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    const now = this.#clock.now()
    this.#readAt = now
    if (!this.#isRunning) this.#run(now)
    return Math.min(now, this.#tickedAt + tickMs) - this.#late
  }

  #run(now: number): void {
    this.#isRunning = true
    this.#tickedAt = now
    setTimeout(() => this.#tick(), tickMs)
  }

  #tick(): void {
    const now = this.#clock.now()
    this.#late += Math.max(0, now - this.#tickedAt - tickMs)
    this.#isRunning = false
    if (now - this.#readAt < idleMs) this.#run(now)
  }
}

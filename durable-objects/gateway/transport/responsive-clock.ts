import type { Clock } from '../../../src/kernel/clock.ts'

/**
 * How often the clock looks whether timers are served in time, in milliseconds. The eight pongs of a probe may come in eight turns
 * of a busy thread: that must stay below the time they have.
 */
const tickMs = 15
/** The clock stops to look after so many ticks, about a second, without being read, so that it keeps no gateway awake. */
const idleTicks = 66

/**
 * The time during which an actor served its events: while a timer is late, the clock stands still. What a client sent in time
 * may wait behind other events of a busy thread, and that wait is not the client's. One per actor, since a timer ends with it.
 */
export class ResponsiveClock implements Clock {
  readonly #clock: Clock
  /** Milliseconds that timers were late. */
  #late = 0
  #tickedAt = 0
  /** Ticks until it stops to look; counted, not timed, since the clock it is made from may stand still. */
  #ticksLeft = 0
  #isRunning = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    const now = this.#clock.now()
    this.#ticksLeft = idleTicks
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
    if (--this.#ticksLeft > 0) this.#run(now)
  }
}

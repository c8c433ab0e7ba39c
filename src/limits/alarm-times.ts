/** An alarm that rings within this time, in milliseconds, meets its actor still open and opens nothing. */
const stillOpenMs = 9000
/** How far an alarm may be moved at most, in seconds: beyond it the bound is given up, not the alarm. */
const maxMovedSeconds = 86_400

/**
 * Spreads the alarms of one process, so that those which open their actor ring at most so often in a second: an alarm
 * cannot be refused when it rings, since the runtime has opened the actor by then. An alarm keeps its time unless its second is full.
 */
export class AlarmTimes {
  readonly #ofSecond = new Map<number, number>()
  readonly #bookedFor = new Map<string, number>()
  #tidiedAt = -Infinity

  /** When the alarm that `actor` wants at `at` is to ring; what it booked before is free again. */
  book(actor: string, at: number, now: number, perSecond: number): number {
    this.#tidy(now)
    this.#release(actor)
    if (at < now + stillOpenMs) return at
    const wanted = Math.floor(at / 1000)
    let second = wanted
    while (this.of(second) >= perSecond && second < wanted + maxMovedSeconds) second++
    this.#ofSecond.set(second, this.of(second) + 1)
    this.#bookedFor.set(actor, second)
    return second === wanted ? at : second * 1000
  }

  /** Alarms booked for a second since the epoch. */
  of(second: number): number {
    return this.#ofSecond.get(second) ?? 0
  }

  #release(actor: string): void {
    const second = this.#bookedFor.get(actor)
    if (second === undefined) return
    this.#bookedFor.delete(actor)
    const left = this.of(second) - 1
    if (left > 0) this.#ofSecond.set(second, left)
    else this.#ofSecond.delete(second)
  }

  /** Alarms that have rung are forgotten, once in ten seconds. */
  #tidy(now: number): void {
    if (Math.abs(now - this.#tidiedAt) < 10_000) return
    this.#tidiedAt = now
    const past = Math.floor(now / 1000)
    for (const [actor, second] of this.#bookedFor) if (second < past) this.#bookedFor.delete(actor)
    for (const second of this.#ofSecond.keys()) if (second < past) this.#ofSecond.delete(second)
  }
}

/** Those of this isolate. */
export const alarmTimes = new AlarmTimes()

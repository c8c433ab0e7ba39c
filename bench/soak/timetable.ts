import type { Chance } from './chance.ts'

/** When something is due that happens `perSecond` on average: by the clock alone, however long it took the last time. */
export class Timetable {
  readonly #chance: Chance
  readonly #meanMs: number
  #next: number

  constructor(chance: Chance, perSecond: number, begin: number) {
    this.#chance = chance
    this.#meanMs = 1000 / perSecond
    this.#next = begin + chance.waiting(this.#meanMs)
  }

  /** The moments that have come since the last call. */
  *due(now: number): Generator<number> {
    while (this.#next <= now) {
      const moment = this.#next
      this.#next += this.#chance.waiting(this.#meanMs)
      yield moment
    }
  }
}

/**
 * How much of one window is used. A meter hears of every unit that was spent and when; being told of a later moment
 * than the true one only makes it stricter. That is what lets holders spend on their own and report afterwards.
 */
export interface WindowCounter {
  /** Most units that can be used at one moment. */
  readonly capacity: number
  /** Units used at `now` (milliseconds), fractions included. */
  used(now: number): number
  /** `units` were spent at `at`. */
  spend(units: number, at: number): void
  /** `units` that were said to be spent at `at` were not: takes back as much as cannot make the meter too generous. */
  unspend(units: number, at: number, now: number): void
  /** Milliseconds until at most `most` units are used if nobody spends; Infinity when that never comes. */
  waitMs(most: number, now: number): number
  /** The moment at which units granted at `now` stop being worth anything. */
  endOf(now: number): number
  /** Everything a later meter of the same window needs to go on. */
  save(): number[]
}

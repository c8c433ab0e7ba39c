/**
 * How much of one window is used. A counter learns of every unit spent and when; a later time than the true one only
 * makes it stricter. That allows holders to spend by themselves and report afterwards.
 */
export interface WindowCounter {
  /** The largest number of units that can be used at one moment. */
  readonly capacity: number
  /** Units used at `now` (milliseconds), fractions included. */
  used(now: number): number
  /** `units` were spent at `at`. */
  spend(units: number, at: number): void
  /** `units` reported as spent at `at` were not: takes back as much as cannot make the counter too generous. */
  unspend(units: number, at: number, now: number): void
  /** Milliseconds until at most `most` units are used if nothing is spent; Infinity when that never happens. */
  waitMs(most: number, now: number): number
  /** The moment at which units granted at `now` stop being worth anything. */
  endOf(now: number): number
  /** Everything a later counter of the same window needs to continue. */
  save(): number[]
}

/*
 * The arithmetic of a token bucket, and of GCRA, which is the same (the leaky bucket as a meter, ITU-T I.371) with a small
 * burst. What is kept is a debt that drains, in units × windowMs: with whole limits and milliseconds every sum is a whole
 * number, so nothing is rounded.
 */

/** A bucket that is refilled evenly by `limit` units every `windowMs`. */
export interface BucketRate {
  readonly limit: number
  readonly windowMs: number
}

/** The debt once `ms` have passed. */
export const drained = ({ limit }: BucketRate, debt: number, ms: number): number =>
  Math.max(0, debt - limit * Math.max(0, ms))

/** The debt of so many units. */
export const debtOf = ({ windowMs }: BucketRate, units: number): number => units * windowMs

/** The units that a debt stands for, fractions included. */
export const unitsOf = ({ windowMs }: BucketRate, debt: number): number => debt / windowMs

/** Milliseconds until the debt is at most `units` if nothing is spent. */
export const drainMs = ({ windowMs, limit }: BucketRate, debt: number, units: number): number =>
  Math.max(0, Math.ceil((debt - units * windowMs) / limit))

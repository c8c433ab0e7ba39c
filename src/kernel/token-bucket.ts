/*
 * The arithmetic of a token bucket, and of GCRA, which is the same (the leaky bucket as a meter, ITU-T I.371) with a small
 * burst. What is kept is a level that drains, in units × windowMs: with whole limits and milliseconds every sum is a whole
 * number, so nothing is rounded.
 */

/** A bucket that is refilled evenly by `limit` units every `windowMs`. */
export interface BucketRate {
  readonly limit: number
  readonly windowMs: number
}

/** The level once `ms` have passed. */
export const drained = ({ limit }: BucketRate, level: number, ms: number): number =>
  Math.max(0, level - limit * Math.max(0, ms))

/** The level that so many units fill. */
export const levelOf = ({ windowMs }: BucketRate, units: number): number => units * windowMs

/** The units that a level stands for, fractions included. */
export const unitsOf = ({ windowMs }: BucketRate, level: number): number => level / windowMs

/** Milliseconds until the level is at most `units` if nothing is spent. */
export const drainMs = ({ windowMs, limit }: BucketRate, level: number, units: number): number =>
  Math.max(0, Math.ceil((level - units * windowMs) / limit))

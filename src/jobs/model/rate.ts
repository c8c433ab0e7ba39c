import { levelOf, drainMs, unitsOf, type BucketRate } from '../../kernel/token-bucket.ts'

/**
 * A token bucket: it holds `count` starts and is refilled evenly by `count` every `seconds`. Any stretch of t seconds sees at
 * most `count` × (1 + t / `seconds`) starts, so one of `seconds` up to 2 × `count`.
 */
export interface Rate {
  readonly count: number
  readonly seconds: number
}

/** The state of a rate as it is stored: the time, in milliseconds, at which the bucket is full again. */
export type FullAt = number

const bucketOf = ({ count, seconds }: Rate): BucketRate => ({ limit: count, windowMs: seconds * 1000 })

/** The level of a bucket now. */
const levelAt = ({ count }: Rate, fullAt: FullAt, now: number): number => Math.max(0, fullAt - now) * count

/** Reserves the earliest possible start; returns its time and the bucket after it. */
export const reserve = (rate: Rate, fullAt: FullAt, now: number): { readonly at: number; readonly fullAt: FullAt } => ({
  at: nextAllowed(rate, fullAt, now),
  fullAt: spend(rate, fullAt, 1, now),
})

/** How many starts are possible now. */
export const allowance = (rate: Rate, fullAt: FullAt, now: number): number =>
  Math.max(0, Math.floor(rate.count - unitsOf(bucketOf(rate), levelAt(rate, fullAt, now)) + 1e-9))

/** The bucket after `starts` now. */
export const spend = (rate: Rate, fullAt: FullAt, starts: number, now: number): FullAt =>
  Math.max(now, fullAt) + levelOf(bucketOf(rate), starts) / rate.count

/** When the next start is possible. */
export const nextAllowed = (rate: Rate, fullAt: FullAt, now: number): number =>
  now + drainMs(bucketOf(rate), levelAt(rate, fullAt, now), rate.count - 1)

/**
 * A token bucket: it holds `count` starts and is refilled evenly by `count` every `seconds`. Any stretch of t seconds sees at
 * most `count` × (1 + t / `seconds`) starts, so one of `seconds` up to 2 × `count`.
 */
export interface Rate {
  readonly count: number
  readonly seconds: number
}

/**
 * A rate's memory as GCRA keeps it (the leaky bucket as a meter, ITU-T I.371): the moment, in milliseconds,
 * at which the bucket is full again. Time is given; the bucket holds `count` starts.
 */
export type FullAt = number

const gapMs = ({ count, seconds }: Rate): number => (seconds * 1000) / count

/** The earliest moment a start may take place, and the bucket after it: a place that is reserved, not only asked for. */
export function reserve(rate: Rate, fullAt: FullAt, now: number): { readonly at: number; readonly fullAt: FullAt } {
  const from = Math.max(now, fullAt)
  const at = Math.max(now, Math.ceil(from - (rate.count - 1) * gapMs(rate)))
  return { at, fullAt: from + gapMs(rate) }
}

/** Starts that may take place now. */
export function allowance(rate: Rate, fullAt: FullAt, now: number): number {
  const debt = Math.max(0, fullAt - now)
  return Math.max(0, Math.floor(rate.count - debt / gapMs(rate) + 1e-9))
}

/** The bucket after `starts` took place now. */
export const spend = (rate: Rate, fullAt: FullAt, starts: number, now: number): FullAt =>
  Math.max(now, fullAt) + starts * gapMs(rate)

/** When at least one start will be allowed again. */
export const nextAllowed = (rate: Rate, fullAt: FullAt, now: number): number => reserve(rate, fullAt, now).at

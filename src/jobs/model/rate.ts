/**
 * A token bucket: it holds `count` starts and is refilled evenly by `count` every `seconds`. Any stretch of t seconds sees at
 * most `count` × (1 + t / `seconds`) starts, so one of `seconds` up to 2 × `count`.
 */
export interface Rate {
  readonly count: number
  readonly seconds: number
}

/**
 * The state of a rate as GCRA keeps it (the leaky bucket as a meter, ITU-T I.371): the time, in milliseconds, at which the
 * bucket is full again.
 */
export type FullAt = number

const gapMs = ({ count, seconds }: Rate): number => (seconds * 1000) / count

/** Reserves the earliest possible start; returns its time and the bucket after it. */
export function reserve(rate: Rate, fullAt: FullAt, now: number): { readonly at: number; readonly fullAt: FullAt } {
  const from = Math.max(now, fullAt)
  const at = Math.max(now, Math.ceil(from - (rate.count - 1) * gapMs(rate)))
  return { at, fullAt: from + gapMs(rate) }
}

/** How many starts are possible now. */
export function allowance(rate: Rate, fullAt: FullAt, now: number): number {
  const debt = Math.max(0, fullAt - now)
  return Math.max(0, Math.floor(rate.count - debt / gapMs(rate) + 1e-9))
}

/** The bucket after `starts` now. */
export const spend = (rate: Rate, fullAt: FullAt, starts: number, now: number): FullAt =>
  Math.max(now, fullAt) + starts * gapMs(rate)

/** When the next start is possible. */
export const nextAllowed = (rate: Rate, fullAt: FullAt, now: number): number => reserve(rate, fullAt, now).at

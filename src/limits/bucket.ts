/** A token bucket: refills at `perSecond`, holds at most `burst`. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/**
 * A bucket as GCRA keeps it: the moment, in milliseconds, at which it will be full again.
 * One number says everything, and a bucket that was never touched is simply full.
 */
export interface Bucket {
  readonly fullAt: number
}

/** Tokens granted now (possibly fewer than wanted), or how long until the next one. */
export type Granted =
  | { readonly kind: 'granted'; readonly tokens: number; readonly bucket: Bucket }
  | { readonly kind: 'empty'; readonly retryAfterMs: number }

/** Tokens in the bucket at `now`, a fraction included. A clock that jumps back finds what it found before, not more. */
export function available(bucket: Bucket, rate: Rate, now: number): number {
  const debtMs = Math.max(0, bucket.fullAt - now)
  return Math.max(0, rate.burst - (debtMs * rate.perSecond) / 1000)
}

/**
 * Takes up to `want` whole tokens. What is granted is already deducted, so whoever holds it may spend it
 * without asking and the limit is never exceeded. Near the end grants shrink to a quarter of what is left, then to one.
 */
export function grant(bucket: Bucket, rate: Rate, want: number, now: number): Granted {
  const whole = Math.floor(available(bucket, rate, now) + 1e-9)
  if (whole < 1) return { kind: 'empty', retryAfterMs: untilOne(bucket, rate, now) }

  const tokens = Math.min(want, Math.max(1, Math.floor(whole / 4)))
  return { kind: 'granted', tokens, bucket: spend(bucket, rate, tokens, now) }
}

/** The bucket after `tokens` left it; negative gives unused ones back, never beyond full. */
export function spend(bucket: Bucket, rate: Rate, tokens: number, now: number): Bucket {
  return { fullAt: Math.max(now, Math.max(now, bucket.fullAt) + (tokens * 1000) / rate.perSecond) }
}

function untilOne(bucket: Bucket, rate: Rate, now: number): number {
  const missing = 1 - available(bucket, rate, now)
  return Math.max(1, Math.ceil((missing * 1000) / rate.perSecond))
}

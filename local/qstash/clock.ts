/** Real time, with every wait made shorter by a factor, so that a test of a half-hour back-off takes seconds. */
export interface Clock {
  /** Unix milliseconds, never scaled: signatures and stored instants must agree with everyone else's clock. */
  now(): number
  /** The instant at which a wait of `waitMs`, begun now, is over. */
  after(waitMs: number): number
  /** How long a span of `spanMs` lasts here. */
  lasting(spanMs: number): number
}

/** A clock whose waits are divided by `timeScale` (1 = as long as the real service's). */
export function scaledClock(timeScale: number): Clock {
  if (!(timeScale > 0)) throw new Error(`timeScale must be above 0, got ${timeScale}`)
  const lasting = (spanMs: number) => spanMs / timeScale
  return { now: Date.now, after: (waitMs) => Date.now() + lasting(Math.max(0, waitMs)), lasting }
}

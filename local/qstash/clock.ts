/** Real time with shorter waits, so that a test of a half-hour back-off takes seconds. */
export interface Clock {
  /** Unix milliseconds, never scaled: receivers compare signatures with their own clock. */
  now(): number
  /** The time at which a wait of `waitMs` that begins now is over. */
  after(waitMs: number): number
}

/** A clock whose waits are divided by `timeScale`; 1 is the real service. */
export function scaledClock(timeScale: number): Clock {
  if (!(timeScale > 0)) throw new Error(`timeScale: must be above 0, got ${timeScale}`)
  return { now: Date.now, after: (waitMs) => Date.now() + Math.max(0, waitMs) / timeScale }
}

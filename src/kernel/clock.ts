/** Milliseconds since the Unix epoch, from whoever owns time here: the platform, a simulator or a test. */
export interface Clock {
  now(): number
}

/** The platform's wall clock. In a Worker it stands still between I/O, which is fine: order never comes from it. */
export const systemClock: Clock = { now: () => Date.now() }

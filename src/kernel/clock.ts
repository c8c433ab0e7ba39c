/** Milliseconds since the Unix epoch, from the owner of time here: the platform, a simulator or a test. */
export interface Clock {
  now(): number
}

/** The platform's wall clock. In a Worker it stands still between I/O, which is fine: order never depends on it. */
export const systemClock: Clock = { now: () => Date.now() }

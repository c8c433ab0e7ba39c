/** How long a client may take before the rate of its body counts, in milliseconds. */
export const bodyGraceMs = 10_000
/** The slowest a body may come in the long run, in bytes per second. */
export const bodyBytesPerSecond = 8192

/**
 * How long after its start a body of which `received` bytes have come is waited for, in milliseconds. So a client that
 * stops is held for the grace at most, and one that is slow for as long as its whole body may take at the lowest rate.
 */
export const bodyDueMs = (received: number): number => bodyGraceMs + (received / bodyBytesPerSecond) * 1000

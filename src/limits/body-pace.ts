/** How long a client may take before the rate of its body counts, in milliseconds. */
export const bodyGraceMs = 10_000
/** The lowest average rate of a body, in bytes per second. */
export const bodyBytesPerSecond = 8192

/**
 * The deadline of a body of which `received` bytes have arrived, in milliseconds after its start. A client that stops
 * is held for the grace at most, a slow one for as long as its whole body takes at the lowest rate.
 */
export const bodyDueMs = (received: number): number => bodyGraceMs + (received / bodyBytesPerSecond) * 1000

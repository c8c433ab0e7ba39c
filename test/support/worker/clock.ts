import { vi } from 'vitest'

/** How far tests have put it. Once stopped it is never earlier: what counts by it would take that for a clock set back. */
let furthest = 0

/**
 * Stops the clock, which tests and product share: between any two calls a loaded machine may lose seconds, and a test of
 * what passes at one moment must not hear of them. `vi.useRealTimers()` lets it go on.
 */
export function stopClock(): void {
  furthest = Math.max(furthest, Date.now())
  vi.useFakeTimers({ toFake: ['Date'], now: furthest })
}

/** The clock goes on, as if it had never been stopped. */
export function startClock(): void {
  vi.useRealTimers()
  furthest = 0
}

/** Puts the stopped clock forward. */
export function pass(ms: number): void {
  furthest = Date.now() + ms
  vi.setSystemTime(furthest)
}

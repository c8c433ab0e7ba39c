import { vi } from 'vitest'

/**
 * Stops the clock, which tests and product share: between any two calls a loaded machine may lose seconds, and a test of
 * what passes at one moment must not hear of them. `vi.useRealTimers()` lets it go on.
 */
export const stopClock = () => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })

/** Puts the stopped clock forward. */
export const pass = (ms: number) => void vi.setSystemTime(Date.now() + ms)

import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, vi } from 'vitest'

// The one global of workerd that parts of actors use.
if (!('scheduler' in globalThis))
  Object.assign(globalThis, { scheduler: { wait: async (ms: number) => await wait(ms) } })

// Files run one after the other in the same process: each leaves the clock and the globals as it found them.
afterAll(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

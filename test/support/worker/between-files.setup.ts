import { reset } from 'cloudflare:test'
import { afterAll, vi } from 'vitest'
import { forgetDependencies } from '../../../src/adapters/dependency.ts'
import { forgetEpochs } from '../../../src/adapters/process-epochs.ts'
import { forgetTokens } from '../../../src/auth/token.ts'
import { startClock } from './clock.ts'
import { spoken } from './line.ts'

// Files run one after the other in the same workerd: each leaves the clock, the globals and the storage as it found them. Actors
// of a file that has ended are gone with their alarms, which would otherwise be handled, and counted, during the next one.
afterAll(async () => {
  startClock()
  spoken.format = 'json'
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  forgetDependencies()
  forgetEpochs()
  forgetTokens()
  await reset()
})

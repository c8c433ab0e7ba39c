import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EpochReader, EpochView } from '../../src/cache/epochs.ts'
import { World, type Step } from '../support/cache/world.ts'

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }))
afterEach(() => vi.useRealTimers())

const step: fc.Arbitrary<Step> = fc.record({
  at: fc.integer({ min: 0, max: 8000 }),
  process: fc.nat({ max: 2 }),
  key: fc.nat({ max: 1 }),
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('read' as const) },
    { weight: 3, arbitrary: fc.constantFrom('write' as const, 'remove' as const) },
    { weight: 1, arbitrary: fc.constantFrom('evict' as const, 'restart' as const) },
  ),
  // Most calls are quick; some outlast every lifetime and deadline.
  delays: fc.array(fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 10, max: 3000 })), {
    minLength: 1,
    maxLength: 4,
  }),
  shared: fc.oneof(
    { weight: 4, arbitrary: fc.constant('works' as const) },
    fc.constantFrom('loses' as const, 'garbage' as const),
  ),
  logFails: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
})

async function faultsOf(steps: readonly Step[], open?: () => EpochReader): Promise<string[]> {
  const world = new World(3, open)
  let now = 0
  for (const each of steps.toSorted((a, b) => a.at - b.at)) {
    await vi.advanceTimersByTimeAsync(each.at - now)
    now = each.at
    world.begin(each)
  }
  await vi.advanceTimersByTimeAsync(60_000)
  await world.done()
  return world.faults
}

const steps = fc.array(step, { minLength: 5, maxLength: 60 })

test('no interleaving of reads, writes, slow readers, lost calls and evictions shows a value that was invalidated for a second', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      expect(await faultsOf(taken)).toEqual([])
    }),
    { numRuns: 1000 },
  )
})

/** A process that does not compare stamps: what caches without epochs do. */
class BlindView extends EpochView {
  override isInvalidated(): boolean {
    return false
  }
}

class BlindReader extends EpochReader {
  override readonly view = new BlindView()
}

test('the same interleavings find the fault in a cache that compares no stamps', async () => {
  const check = await fc.check(
    fc.asyncProperty(steps, async (taken) => (await faultsOf(taken, () => new BlindReader())).length === 0),
    { numRuns: 400, endOnFailure: true },
  )
  expect(check.failed).toBe(true)
})

import {
  array,
  assert,
  asyncProperty,
  check,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EpochReader, EpochView } from '../../src/cache/epochs.ts'
import { World, type Step } from '../support/cache/world.ts'

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }))
afterEach(() => vi.useRealTimers())

const step: Arbitrary<Step> = record({
  at: integer({ min: 0, max: 8000 }),
  process: nat({ max: 2 }),
  key: nat({ max: 1 }),
  kind: oneof(
    { weight: 10, arbitrary: constant('read' as const) },
    { weight: 3, arbitrary: constantFrom('write' as const, 'remove' as const) },
    { weight: 1, arbitrary: constantFrom('evict' as const, 'restart' as const) },
  ),
  // Most calls are quick; some outlast every lifetime and deadline.
  delays: array(oneof(constantFrom(0, 1, 5), integer({ min: 10, max: 3000 })), {
    minLength: 1,
    maxLength: 4,
  }),
  shared: oneof(
    { weight: 4, arbitrary: constant('works' as const) },
    constantFrom('loses' as const, 'garbage' as const),
  ),
  logFails: oneof({ weight: 9, arbitrary: constant(false) }, constant(true)),
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

const steps = array(step, { minLength: 5, maxLength: 60 })

test('no interleaving of reads, writes, slow readers, lost calls and evictions shows a value that was invalidated for a second', async () => {
  await assert(
    asyncProperty(steps, async (taken) => {
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
  const checked = await check(
    asyncProperty(steps, async (taken) => (await faultsOf(taken, () => new BlindReader())).length === 0),
    { numRuns: 400, endOnFailure: true },
  )
  expect(checked.failed).toBe(true)
})

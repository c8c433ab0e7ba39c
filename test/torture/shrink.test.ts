import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../jobs/support/chance.ts'
import { fault, planFaults } from './faults.ts'
import { shrink } from './shrink.ts'

const always = () => true

test('the faults without which nothing breaks remain', async () => {
  const guilty = fc.uniqueArray(fc.nat(39), { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(guilty, async (needed) => {
      const all = Array.from({ length: 40 }, (_, n) => n)
      const fails = async (some: readonly number[]) => needed.every((each) => some.includes(each))
      expect(await shrink(all, fails, always)).toEqual(needed.toSorted((a, b) => a - b))
    }),
  )
})

test('a run that does not break without all of its faults stays whole, and so does one for which there is no time', async () => {
  const all = [1, 2, 3, 4]
  expect(await shrink(all, async (some) => some.length === 4, always)).toEqual(all)
  expect(
    await shrink(
      all,
      async () => true,
      () => false,
    ),
  ).toEqual(all)
})

test('a seed plans the same faults each time, in their order, within the round, and as a replay reads them', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const faults = planFaults(seeded(seed), 45_000, true)
      expect(planFaults(seeded(seed), 45_000, true)).toEqual(faults)
      expect(fault.array().parse(JSON.parse(JSON.stringify(faults)))).toEqual(faults)
      expect(faults.length).toBeGreaterThan(10)
      const times = faults.map(({ at }) => at)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      for (const { at, ms } of faults) expect(at + ms).toBeLessThanOrEqual(45_000)
    }),
  )
})

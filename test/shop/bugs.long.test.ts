import { expect, test } from 'vitest'
import { shopBugs } from './bugs.ts'
import { playChaos } from './chaos.ts'

const round = { seed: 7, orders: 150, faultsMs: 15_000, downMs: 4000, calmMs: 60_000 }

test.each(shopBugs)('the chaos test sees the bug: $name', async (bug) => {
  const { broken } = await playChaos({ ...round, bug })
  expect(broken.filter((line) => bug.sign.test(line))).not.toEqual([])
})

test('the same round without a bug keeps all promises', async () => {
  expect((await playChaos(round)).broken).toEqual([])
})

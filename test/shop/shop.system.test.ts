import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seeded } from '../jobs/support/chance.ts'
import { shopBugs } from './bugs.ts'
import { playRound } from './chaos.ts'
import { ShopWorld } from './shop-world.ts'

let world: ShopWorld
beforeAll(async () => {
  world = await ShopWorld.start(seeded(1))
})
afterAll(() => world.stop())

test.each([1, 2])('money, stock and orders of the shop are consistent after chaos, with seed %i', async (seed) => {
  const end = await playRound(world, { seed, orders: 10, faultsMs: 3000, downMs: 1000, calmMs: 120_000 })
  expect(end.broken).toEqual([])
  expect(end.confirmed).toBeGreaterThan(0)
})

test.each(shopBugs)('the bug can be made: $name', ({ file, from, to }) => {
  const source = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
  expect(source.split(from)).toHaveLength(2)
  expect(to).not.toBe(from)
})

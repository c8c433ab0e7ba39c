import { expect, test } from 'vitest'
import { seeded } from '../jobs/support/chance.ts'
import { whyNoStrace } from '../support/e2e/strace.ts'
import { planFaults } from './faults.ts'
import { writeReplay } from './replay.ts'
import { playRound } from './round.ts'
import { TortureWorld } from './world.ts'

// The short one of `npm run torture`: the same faults from one seed, for a quarter of a minute.

const seed = 10
const lastsMs = 15_000

test('with everything failing for a while, what was acknowledged is there, once, in one order, for every client', async () => {
  const faults = planFaults(seeded(seed), lastsMs, whyNoStrace() === undefined)
  const kinds = new Set(faults.map(({ kind }) => kind))
  expect(kinds.size, 'kinds of faults this seed plans').toBeGreaterThan(4)
  expect([...kinds]).toContain('actor')
  const world = await TortureWorld.start()
  try {
    const { broken, acknowledged, runs, events } = await playRound(world, seed, faults)
    const again = broken.length === 0 ? '' : `again with: ${writeReplay({ seed, faults })}`
    expect(broken, again).toEqual([])
    expect(acknowledged).toBeGreaterThan(20)
    expect(runs).toBeGreaterThan(5)
    expect(events).toBeGreaterThan(10)
    expect(world.struck).toBeGreaterThan(0)
  } finally {
    await world.stop()
  }
}, 480_000)

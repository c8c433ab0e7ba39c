import * as fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { overshootBound, type Rules, type Window } from '../../src/limits/rules.ts'
import { idealCount, overshoot } from './oracle.ts'
import { World } from './world.ts'

const holders = 32

// The limiter's own timer belongs to the platform's time, of which there is none here.
beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout'] }))

const window = fc.oneof(
  fc.record({
    algorithm: fc.constantFrom('token-bucket' as const, 'gcra' as const),
    limit: fc.integer({ min: 1, max: 200 }),
    windowMs: fc.constantFrom(100, 1000, 20_000),
    burst: fc.integer({ min: 1, max: 300 }),
  }),
  fc.record({
    algorithm: fc.constantFrom('sliding-window' as const, 'fixed-window' as const),
    limit: fc.integer({ min: 1, max: 300 }),
    windowMs: fc.constantFrom(100, 1000, 20_000),
    burst: fc.constant(0),
  }),
)

const anyHolder = fc.nat({ max: holders - 1 })

/**
 * What an adversary does. `run`: one holder spends in rounds until its leases are large, then keeps what it has or dies
 * with it. `longEvent`: it decides while its clock stands still. `wait`: often just as long as a lease lives, give or
 * take. `all`: all holders spend what they can at once.
 */
const act = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      run: anyHolder,
      rounds: fc.integer({ min: 1, max: 12 }),
      burst: fc.integer({ min: 1, max: 40 }),
      gapMs: fc.integer({ min: 0, max: 300 }),
      dies: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      wait: fc.oneof(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 900, max: 7000 }),
        fc.integer({ min: 4800, max: 5700 }),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      longEvent: anyHolder,
      decisions: fc.integer({ min: 1, max: 60 }),
      lateMs: fc.integer({ min: 0, max: 400 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ all: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.constant({ returnIdle: true }) },
  { weight: 1, arbitrary: fc.constant({ crash: true }) },
)
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never

async function play(world: World, acts: readonly Act[]): Promise<void> {
  for (const step of acts) {
    if ('run' in step) await run(world, step)
    else if ('longEvent' in step) world.longEvent(step.longEvent, step.decisions, step.lateMs)
    else if ('all' in step) for (let i = 0; i < step.all * holders; i++) world.demand(i % holders)
    else if ('returnIdle' in step) world.returnIdle()
    else if ('crash' in step) world.crash()
    await world.advance(world.now + ('wait' in step ? step.wait : 0))
  }
  await world.advance(world.now + 60_000)
}

async function run(
  world: World,
  { run: at, rounds, burst, gapMs, dies }: Extract<Act, { run: number }>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < burst; i++) world.demand(at)
    await world.advance(world.now + gapMs)
  }
  if (dies) world.die(at)
}

const scenario = (mode: Rules['mode']) =>
  fc.record({
    rules: fc.record({
      windows: fc.array(window, { minLength: 1, maxLength: 3 }),
      mode: fc.constant(mode),
      version: fc.constant(1),
    }),
    acts: fc.array(act, { minLength: 5, maxLength: 40 }),
    delays: fc.infiniteStream(fc.integer({ min: 0, max: 80 })),
  })

describe('32 holders against an exact log, with late answers and deaths of holders and of the limiter', () => {
  test('a hard policy is never exceeded, in none of its windows', async () => {
    await fc.assert(
      fc.asyncProperty(scenario('hard'), async ({ rules, acts, delays }) => {
        const world = new World(rules, holders, () => delays.next().value)
        await play(world, acts)
        for (const each of rules.windows) expect(overshoot(each, world.spent)).toBe(0)
      }),
      { numRuns: 400 },
    )
  }, 120_000)

  test.each([0, 15, 100, 400])('nor when a holder spends %i ms after its clock stood still', async (lateMs) => {
    const bucket: Window = { algorithm: 'token-bucket', limit: 100, windowMs: 1000, burst: 200 }
    const world = new World({ windows: [bucket], mode: 'hard', version: 1 }, holders)
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 8; i++) world.demand(0)
      await world.advance(world.now + 40)
    }
    await world.advance(world.now + 600)
    world.longEvent(0, 40, lateMs)
    await world.advance(world.now + 1)
    for (let i = 0; i < 300; i++) world.demand(0)
    await world.advance(world.now + 1)
    for (let i = 0; i < 300; i++) world.demand(i % holders)
    await world.advance(world.now + 60_000)
    expect(overshoot(bucket, world.spent)).toBe(0)
  })

  test('a soft policy is exceeded by no more than it says', async () => {
    await fc.assert(
      fc.asyncProperty(scenario('soft'), async ({ rules, acts, delays }) => {
        const world = new World(rules, holders, () => delays.next().value)
        await play(world, acts)
        for (const each of rules.windows)
          expect(overshoot(each, world.spent)).toBeLessThanOrEqual(overshootBound(rules))
      }),
      { numRuns: 200 },
    )
  }, 120_000)
})

/** Buckets as users have them, some of them too slow for a common row. */
const quickBucket = fc.integer({ min: 1, max: 60 }).chain((limit) =>
  fc.record({
    algorithm: fc.constant('token-bucket' as const),
    limit: fc.constant(limit),
    windowMs: fc.constant(1000),
    burst: fc.integer({ min: 1, max: 4 * limit }),
  }),
)
/** Rounds that need little, so that the common row covers them, among deaths of the limiter and pauses about as long as a period or the row. */
const littleAct = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      run: anyHolder,
      rounds: fc.integer({ min: 1, max: 6 }),
      burst: fc.integer({ min: 1, max: 8 }),
      gapMs: fc.integer({ min: 0, max: 300 }),
      dies: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 12_000 }) }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 55_000, max: 75_000 }) }) },
  { weight: 3, arbitrary: fc.constant({ crash: true }) },
  { weight: 1, arbitrary: fc.record({ all: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ returnIdle: true }) },
)

test('a limiter that an actor keeps among many is never exceeded, whenever the actor loses its memory', async () => {
  const rules = fc.record({
    windows: fc.array(quickBucket, { minLength: 1, maxLength: 2 }),
    mode: fc.constant('hard' as const),
    version: fc.constant(1),
  })
  const acts = fc.array(fc.oneof(littleAct, littleAct, act), { minLength: 5, maxLength: 60 })
  const delays = fc.infiniteStream(fc.integer({ min: 0, max: 80 }))
  await fc.assert(
    fc.asyncProperty(rules, acts, delays, async (rulesOfRun, actsOfRun, delaysOfRun) => {
      const world = new World(rulesOfRun, holders, () => delaysOfRun.next().value, true)
      await play(world, actsOfRun)
      for (const each of rulesOfRun.windows) expect(overshoot(each, world.spent)).toBe(0)
    }),
    { numRuns: 300 },
  )
}, 120_000)

describe('the quota is used where there is demand', () => {
  const busy: readonly Window[] = [
    { algorithm: 'token-bucket', limit: 100, windowMs: 1000, burst: 200 },
    { algorithm: 'token-bucket', limit: 10, windowMs: 1000, burst: 20 },
    { algorithm: 'gcra', limit: 100, windowMs: 1000, burst: 10 },
    { algorithm: 'sliding-window', limit: 500, windowMs: 1000, burst: 0 },
    { algorithm: 'fixed-window', limit: 500, windowMs: 1000, burst: 0 },
  ]
  test.each(busy)(
    '$algorithm, $limit in $windowMs ms: at least 99 % of it, exceeded by none',
    async (each) => {
      const world = new World({ windows: [each], mode: 'hard', version: 1 }, holders)
      const demands: number[] = []
      const start = world.now
      let random = 7
      const next = (below: number) => (random = (random * 48_271) % 2_147_483_647) % below
      while (world.now < start + 60_000) {
        const at = next(holders)
        // Now one holder has all the demand, now all have a little, and some die of it.
        for (let i = next(3) === 0 ? 1 + next(40) : 1; i > 0; i--) {
          demands.push(world.now)
          world.demand(at)
        }
        if (next(500) === 0) world.die(next(holders))
        if (next(50) === 0) world.returnIdle()
        await world.advance(world.now + next(3))
      }
      const used = world.spent.length / idealCount(each, demands)
      if (process.env['SHOW'])
        process.stderr.write(
          `${each.algorithm} ${each.limit} ${used} ${world.calls / demands.length} ${world.calls / world.spent.length} writes ${world.writes / demands.length}\n`,
        )
      expect(overshoot(each, world.spent)).toBe(0)
      expect(used).toBeGreaterThanOrEqual(0.99)
    },
    60_000,
  )
})

import { describe, expect, test } from 'vitest'
import { tellOfJobs, type JobPlot } from './job-story.ts'
import { badLedgers, badVisitors, busyDay, jobStorm, jobWrongClocks, noCarrier, quietDay } from './job-weathers.ts'
import { sum, tellAll } from './tell-all.ts'

describe('a real queue, its visitors and its carrier on simulated time, disks and network', () => {
  test('keeps every promise on 40 days on which everything fails', async () => {
    const endings = await tellAll(40, (seed) => tellOfJobs(seed, jobStorm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(150)
    expect(sum(endings, ({ sleeps }) => sleeps)).toBeGreaterThan(50)
    expect(sum(endings, ({ jobs }) => jobs)).toBeGreaterThan(1000)
    expect(sum(endings, ({ runs }) => runs)).toBeGreaterThan(sum(endings, ({ done }) => done))
    expect(sum(endings, ({ dead }) => dead)).toBeGreaterThan(10)
  }, 120_000)

  test.each([
    ['its ledger dies all the time', badLedgers, 10],
    ['visitors die in the middle of their jobs', badVisitors, 12],
    ['the carrier takes nothing', noCarrier, 8],
    ['every clock is wrong by minutes', jobWrongClocks, 10],
    ['nothing fails and much is enqueued at once', busyDay, 3],
  ] as const)(
    'keeps them while %s',
    async (_, plot, seeds) => {
      await tellAll(seeds, (seed) => tellOfJobs(seed, plot))
    },
    120_000,
  )

  test.each([
    ['waits for a job that was throttled away', quietDay, 107],
    ['has died under a name that another has by now, and is sent again', jobStorm, 5040],
    ['would replace one that has just ended', jobStorm, 4096],
    ['is throttled away, in a batch that is said again', jobWrongClocks, 1958],
  ] as const)('keeps them when one %s', async (_, plot, seed) => {
    expect((await tellOfJobs(seed, plot)).broken).toEqual([])
  })

  test('keeps them wherever one dies: before each write reached the disk, and after', async () => {
    const { boundaries } = await tellOfJobs(1, quietDay)
    expect(boundaries).toBeGreaterThan(15)
    for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
      const { broken, deaths } = await tellOfJobs(1, { ...quietDay, crashAt })
      expect({ crashAt, broken, deaths }).toEqual({ crashAt, broken: [], deaths: 1 })
    }
  }, 120_000)
})

test('a seed gives the same course of jobs each time, event by event', async () => {
  const traced: JobPlot = { ...jobStorm, traced: true }
  const [once, again] = [await tellOfJobs(7, traced), await tellOfJobs(7, traced)]
  expect(once.trace.length).toBeGreaterThan(100)
  expect(again.trace).toEqual(once.trace)
})

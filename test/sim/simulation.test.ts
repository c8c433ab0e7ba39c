import { describe, expect, test } from 'vitest'
import { tell, type Plot } from './story.ts'
import { sum, tellAll } from './tell-all.ts'
import { badGateways, badLines, bigStorm, crowdedDay, goodDay, linked, storm, wrongClocks } from './weathers.ts'

const of = (plot: Plot) => (seed: number) => tell(seed, linked(plot, seed))

describe('the real actors on simulated time, disks and network', () => {
  test('keep every promise on 250 days on which everything fails', async () => {
    const endings = await tellAll(250, of(storm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(300)
    expect(sum(endings, ({ sleeps }) => sleeps)).toBeGreaterThan(300)
    expect(sum(endings, ({ rejoins }) => rejoins)).toBeGreaterThan(300)
    expect(sum(endings, ({ entries }) => entries)).toBeGreaterThan(2000)
  })

  test('keep them while every client is cut off and comes back all the time', async () => {
    await tellAll(40, of(badLines))
  })

  test('keep them while gateways die under their connections', async () => {
    await tellAll(40, of(badGateways))
  })

  test('keep them while every clock is wrong by minutes', async () => {
    await tellAll(40, of(wrongClocks))
  })

  test('keep them on days when nothing fails and everything overtakes everything', async () => {
    await tellAll(20, of(crowdedDay))
  })

  test('keep them with more users that send more', async () => {
    await tellAll(40, of(bigStorm))
  })

  test.each([1, 2])(
    'keep them wherever one dies: before each write reached the disk, and after (seed %i)',
    async (seed) => {
      const plot = linked(goodDay, seed)
      const { boundaries } = await tell(seed, plot)
      expect(boundaries).toBeGreaterThan(30)
      for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
        const { broken, deaths } = await tell(seed, { ...plot, crashAt })
        expect({ seed, crashAt, broken, deaths }).toEqual({ seed, crashAt, broken: [], deaths: 1 })
      }
    },
    120_000,
  )
})

test('a seed gives the same course each time, event by event', async () => {
  const [once, again, other] = [await tell(7, traced), await tell(7, traced), await tell(8, traced)]
  expect(once.trace.length).toBeGreaterThan(100)
  expect(again.trace).toEqual(once.trace)
  expect(other.trace).not.toEqual(once.trace)
})

const traced: Plot = { ...storm, traced: true }

import { describe, expect, test } from 'vitest'
import { tellOfSagas, type SagaPlot } from './saga-story.ts'
import { badEndpoints, badSagas, badSagaWorkers, sagaQuietDay, sagaStorm, sagaWrongClocks } from './saga-weathers.ts'
import { sum, tellAll } from './tell-all.ts'

describe('real sagas and their calls on simulated time, disks and network', () => {
  test('keep every promise on 15 days on which everything fails', async () => {
    const endings = await tellAll(15, (seed) => tellOfSagas(seed, sagaStorm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(50)
    expect(sum(endings, ({ completed }) => completed)).toBeGreaterThan(30)
    expect(sum(endings, ({ compensated }) => compensated)).toBeGreaterThan(30)
    expect(sum(endings, ({ undone }) => undone)).toBeGreaterThan(30)
    expect(sum(endings, ({ asked }) => asked)).toBeGreaterThan(30)
  }, 120_000)

  test.each([
    ['the actors of runs die all the time', badSagas, 5],
    ['what makes the calls dies in the middle of them', badSagaWorkers, 5],
    ['endpoints fail nearly always', badEndpoints, 5],
    ['every clock is wrong by minutes', sagaWrongClocks, 5],
  ] as const)(
    'keep them while %s',
    async (_, plot, seeds) => {
      await tellAll(seeds, (seed) => tellOfSagas(seed, plot))
    },
    120_000,
  )

  test('keep them wherever one dies: before each write reached the disk, and after', async () => {
    const { boundaries } = await tellOfSagas(1, sagaQuietDay)
    expect(boundaries).toBeGreaterThan(15)
    for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
      const { broken, deaths } = await tellOfSagas(1, { ...sagaQuietDay, crashAt })
      expect({ crashAt, broken, deaths }).toEqual({ crashAt, broken: [], deaths: 1 })
    }
  }, 120_000)
})

test('a seed gives the same course of sagas each time, event by event', async () => {
  const traced: SagaPlot = { ...sagaStorm, traced: true }
  const [once, again] = [await tellOfSagas(7, traced), await tellOfSagas(7, traced)]
  expect(once.trace.length).toBeGreaterThan(100)
  expect(again.trace).toEqual(once.trace)
})

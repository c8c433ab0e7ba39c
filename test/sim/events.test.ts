import { describe, expect, test } from 'vitest'
import { tellOfEvents, type EventPlot } from './event-story.ts'
import {
  badConsumers,
  badLogs,
  badReceivers,
  badRelay,
  eventQuietDay,
  eventStorm,
  eventWrongClocks,
} from './event-weathers.ts'
import { sum, tellAll } from './tell-all.ts'

describe('a real topic of events with its consumers on simulated time, disks and network', () => {
  test('keeps every promise on 10 days on which everything fails', async () => {
    const endings = await tellAll(10, (seed) => tellOfEvents(seed, eventStorm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(25)
    expect(sum(endings, ({ relayDeaths }) => relayDeaths)).toBeGreaterThan(10)
    expect(sum(endings, ({ events }) => events)).toBeGreaterThan(300)
    expect(sum(endings, ({ dead }) => dead)).toBeGreaterThan(2)
    expect(sum(endings, ({ seeks }) => seeks)).toBeGreaterThan(2)
  }, 120_000)

  test.each([
    ['its consumers die all the time', badConsumers, 4],
    ['its log dies all the time', badLogs, 4],
    ['the relay of an outbox is killed all the time', badRelay, 4],
    ['endpoints fail nearly always', badReceivers, 4],
    ['every clock is wrong by minutes', eventWrongClocks, 4],
  ] as const)(
    'keeps them while %s',
    async (_, plot, seeds) => {
      await tellAll(seeds, (seed) => tellOfEvents(seed, plot))
    },
    120_000,
  )

  test.each([
    ['a consumer dies whose alarm rang while it was pushing', badConsumers, 31],
    ['one dies like that with retries of several keys', badConsumers, 43],
    ['a dead letter is handed out again before events of its key that were read', badReceivers, 4],
  ] as const)('keeps them when %s', async (_, plot, seed) => {
    expect((await tellOfEvents(seed, plot)).broken).toEqual([])
  })

  test('keeps them wherever one dies: before each write reached the disk, and after', async () => {
    const { boundaries } = await tellOfEvents(1, eventQuietDay)
    expect(boundaries).toBeGreaterThan(15)
    for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
      const { broken, deaths } = await tellOfEvents(1, { ...eventQuietDay, crashAt })
      expect({ crashAt, broken, deaths }).toEqual({ crashAt, broken: [], deaths: 1 })
    }
  }, 120_000)
})

test('a seed gives the same course of events each time, step by step', async () => {
  const traced: EventPlot = { ...eventStorm, traced: true }
  const [once, again] = [await tellOfEvents(7, traced), await tellOfEvents(7, traced)]
  expect(once.trace.length).toBeGreaterThan(100)
  expect(again.trace).toEqual(once.trace)
})

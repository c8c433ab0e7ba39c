import { describe, expect, test } from 'vitest'
import { sum, tellAll } from './tell-all.ts'
import { tellOfTopics } from './topic-story.ts'
import {
  topicBadGateways,
  topicBadLines,
  topicBadTopics,
  topicCrowdedDay,
  topicFlood,
  topicGale,
  topicGoodDay,
  topicStorm,
  topicWrongClocks,
} from './topic-weathers.ts'

describe('real topics on simulated time, disks and network', () => {
  test('keep every promise on 40 days on which everything fails', async () => {
    const endings = await tellAll(40, (seed) => tellOfTopics(seed, topicStorm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(100)
    expect(sum(endings, ({ rejoins }) => rejoins)).toBeGreaterThan(100)
    expect(sum(endings, ({ stored }) => stored)).toBeGreaterThan(500)
    expect(sum(endings, ({ lost }) => lost)).toBeGreaterThan(5)
  }, 120_000)

  test.each([
    ['what passes by is told at most once', topicGale, 15],
    ['more is said than is kept', topicFlood, 8],
    ['every client is cut off and comes back all the time', topicBadLines, 8],
    ['gateways die under their connections', topicBadGateways, 8],
    ['topics lose their memory all the time', topicBadTopics, 10],
    ['every clock is wrong by minutes', topicWrongClocks, 10],
    ['nothing fails and everything overtakes everything', topicCrowdedDay, 6],
  ] as const)(
    'keep them while %s',
    async (_, plot, seeds) => {
      await tellAll(seeds, (seed) => tellOfTopics(seed, plot))
    },
    120_000,
  )

  test('keep them wherever one dies: before each write reached the disk, and after', async () => {
    const { boundaries } = await tellOfTopics(1, topicGoodDay)
    expect(boundaries).toBeGreaterThan(15)
    for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
      const { broken, deaths } = await tellOfTopics(1, { ...topicGoodDay, crashAt })
      expect({ crashAt, broken, deaths }).toEqual({ crashAt, broken: [], deaths: 1 })
    }
  }, 120_000)

  test('keep them when a gateway never receives what became of its own call', async () => {
    expect((await tellOfTopics(1426, topicGale)).broken).toEqual([])
  })
})

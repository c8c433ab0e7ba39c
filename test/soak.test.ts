import { expect, test } from 'vitest'
import { Chance } from '../bench/soak/chance.ts'
import { Deliveries } from '../bench/soak/deliveries.ts'
import { readSoakOptions } from '../bench/soak/options.ts'
import { judgeAll } from '../bench/soak/report.ts'
import { awake, kept } from '../bench/soak/sleepers.ts'
import { Stream } from '../bench/soak/stream.ts'
import { Timetable } from '../bench/soak/timetable.ts'
import { afterWarmUp, floor, rises, slope, steadySlope, type Point } from '../bench/soak/trend.ts'
import { judge } from '../bench/soak/verdict.ts'

const tolerance = { share: 0.05, least: 8 * 1024 }
const level = 300 * 1024

/** 48 minutes of samples each ten seconds, as an hour without its warm-up gives. */
const hour = (value: (minute: number, n: number) => number): Point[] =>
  Array.from({ length: 288 }, (_, n) => ({ minute: 12 + n / 6, value: value(12 + n / 6, n) }))

const chance = new Chance(7)
/** Memory that fills for a while and is collected, never at the same moment nor to the same byte. */
const saw = (n: number) => (n % 23) * 2000 + chance.between(0, 6000)

test('a line is found through its noise, and how far it may be off', () => {
  const { perMinute, error } = slope(hour((minute) => 5 * minute + chance.between(-10, 10)))
  expect(perMinute).toBeCloseTo(5, 0)
  expect(Math.abs(perMinute - 5)).toBeLessThan(4 * error)
  expect(slope([{ minute: 1, value: 1 }]).perMinute).toBeNaN()
})

test('the floor is the low of each window, when it was', () => {
  const points = [5, 3, 9, 8, 2, 7].map((value, minute) => ({ minute, value }))
  expect(floor(points, 2)).toEqual([
    { minute: 1, value: 3 },
    { minute: 4, value: 2 },
  ])
})

test('an odd point does not bend the steady slope', () => {
  expect(steadySlope(hour((minute, n) => (n === 100 ? 1e9 : 2 * minute)))).toBeCloseTo(2)
})

test('a figure that only goes to and fro does not rise; one that creeps does', () => {
  expect(rises(hour((_, n) => n % 7))).toBe(false)
  expect(rises(hour((minute, n) => (n % 7) + minute))).toBe(true)
})

test('the warm-up is left out', () => {
  expect(
    afterWarmUp(
      hour(() => 1),
      0.5,
    )[0]?.minute,
  ).toBeCloseTo(30, 0)
})

test('a saw-tooth without growth is steady', () => {
  expect(
    judge(
      hour((_, n) => level + saw(n)),
      tolerance,
    ),
  ).toMatchObject({ verdict: 'steady' })
})

test('a leak is noticed under a saw-tooth larger than itself', () => {
  // 30 MiB an hour under teeth of 45 MiB; 5 % of 300 MiB are allowed.
  const trend = judge(
    hour((minute, n) => level + minute * 512 + saw(n)),
    tolerance,
  )
  expect(trend.verdict).toBe('leak')
  expect(trend.floorPerHour / 1024).toBeCloseTo(30, -1)
})

test('a descriptor lost every other minute is noticed', () => {
  const descriptors = { share: 0.05, least: 20 }
  const open = (n: number) => 200 + (n % 11)
  expect(
    judge(
      hour((minute, n) => open(n) + Math.floor(minute / 2)),
      descriptors,
    ).verdict,
  ).toBe('leak')
  expect(
    judge(
      hour((_, n) => open(n)),
      descriptors,
    ).verdict,
  ).toBe('steady')
})

test('growth below what is allowed is shown and is no leak', () => {
  const trend = judge(
    hour((minute, n) => level + minute * 100 + saw(n)),
    tolerance,
  )
  expect(trend.verdict).toBe('steady')
  expect(trend.floorPerHour).toBeGreaterThan(3000)
})

test('a cache that fills and is full is no leak', () => {
  expect(
    judge(
      hour((minute, n) => level + Math.min(minute, 30) * 4096 + saw(n)),
      tolerance,
    ).verdict,
  ).toBe('steady')
})

test('a few minutes are too short to say', () => {
  const minutes = hour((minute) => level + minute * 10_000).slice(0, 40)
  expect(judge(minutes, tolerance).verdict).toBe('tooShort')
})

const anew = { wasRecovering: false, recovered: false }
const back = { wasRecovering: true, recovered: true }

test('a stream goes on where it was, over a return', () => {
  const stream = new Stream()
  expect(stream.join({ offset: 4, epoch: 'a', ...anew })).toEqual({ kind: 'fine' })
  expect([stream.receive(5), stream.receive(0), stream.receive(6)]).toEqual([undefined, undefined, undefined])
  stream.leave()
  expect(stream.join({ offset: 6, epoch: 'a', ...back })).toEqual({ kind: 'fine' })
  expect([stream.receive(7), stream.place]).toEqual([undefined, { offset: 7, epoch: 'a' }])
})

test('a gap and a word said twice are noticed, each once', () => {
  const stream = new Stream({ offset: 10, epoch: 'a' })
  expect([11, 13, 14, 14, 15].map((offset) => stream.receive(offset))).toEqual([
    undefined,
    'received 13 where 12 belongs',
    undefined,
    'received 14 twice',
    undefined,
  ])
})

test('a return to another place or another stream is noticed', () => {
  const left = { offset: 10, epoch: 'a' }
  expect(new Stream(left).join({ offset: 12, epoch: 'a', ...back }).kind).toBe('wrong')
  expect(new Stream(left).join({ offset: 10, epoch: 'b', ...back }).kind).toBe('wrong')
})

test('a client that was away too long must page from its last position', () => {
  const left = { offset: 10, epoch: 'a' }
  const joined = new Stream(left).join({ offset: 900, epoch: 'a', wasRecovering: true, recovered: false })
  expect(joined).toEqual({ kind: 'behind', from: left })
})

test('a conversation is settled when exactly the promised messages were received, by any user', () => {
  const deliveries = new Deliveries()
  expect(deliveries.acknowledge(70, 1)).toBeUndefined()
  deliveries.promise(71)
  expect(deliveries.isSettled).toBe(false)
  expect([
    deliveries.receive(1, 70),
    deliveries.receive(2, 0),
    deliveries.receive(1, 70),
    deliveries.receive(3, 71),
  ]).toEqual(Array(4).fill(undefined))
  expect([deliveries.isSettled, deliveries.top]).toEqual([true, 3])
})

test('a message lost, stored twice, or different for two listeners is noticed', () => {
  const lost = new Deliveries()
  lost.acknowledge(70, 1)
  expect(lost.receive(1, 71)).toBeUndefined()
  expect(lost.isSettled).toBe(false)

  const twice = new Deliveries()
  twice.acknowledge(70, 1)
  twice.receive(1, 70)
  twice.receive(2, 70)
  expect(twice.isSettled).toBe(false)

  const different = new Deliveries()
  different.receive(1, 70)
  expect(different.receive(1, 71)).toContain('message 71')
  expect(different.acknowledge(72, 1)).toContain('message 72')
  expect(different.receive(3, 73)).toContain('no client received 2')
})

test('due deliveries lie one check behind the acknowledged ones', () => {
  const deliveries = new Deliveries()
  deliveries.acknowledge(70, 5)
  expect(deliveries.due).toBe(0)
  deliveries.advance()
  deliveries.acknowledge(71, 6)
  expect(deliveries.due).toBe(5)
})

test('a record of deliveries remembers the newest only', () => {
  const deliveries = new Deliveries()
  for (let offset = 1; offset <= 1000; offset++) deliveries.receive(offset, offset)
  expect(deliveries.receive(1, 99)).toBeUndefined()
  expect(deliveries.receive(1000, 99)).toBeDefined()
})

test('the clock decides when something is due, and the same seed the same moments', () => {
  const moments = (seed: number) => [...new Timetable(new Chance(seed), 10, 0).due(100_000)]
  expect(moments(1)).toEqual(moments(1))
  expect(moments(1)).not.toEqual(moments(2))
  expect(moments(1).length).toBeGreaterThan(850)
  expect(moments(1).length).toBeLessThan(1150)
})

test('the command line is read, and a mistake in it is named', () => {
  expect(readSoakOptions(['--minutes', '60', '--seed', '7'])).toMatchObject({ minutes: 60, seed: 7, every: 10 })
  expect(readSoakOptions(['--help'])).toBeUndefined()
  expect(() => readSoakOptions(['--minutes', 'long'])).toThrow(/minutes/)
})

test('an actor that stays awake when all have gone is reported, one that works by the clock is not', () => {
  const asleep = (descriptors: number) => ({ descriptors, memoryKiB: 1, liveKiB: Number.NaN })
  expect(awake(asleep(70), asleep(85))).toBeUndefined()
  expect(awake(asleep(70), asleep(130))).toContain('had 70 descriptors open before any client connected and has 130')
})

test('memory still in use after all clients have left is reported, where it can be measured', () => {
  const asleep = (liveKiB: number) => ({ descriptors: 70, memoryKiB: 1, liveKiB })
  expect(kept(asleep(16_000), asleep(28_000))).toBeUndefined()
  expect(kept(asleep(16_000), asleep(60_000))).toContain('held 16000 KiB before any client connected and holds 60000')
  expect(kept(asleep(Number.NaN), asleep(60_000))).toBeUndefined()
  expect(kept(asleep(16_000), asleep(Number.NaN))).toBeUndefined()
})

test('memory that workerd took from the system is judged only where the part in use cannot be measured', () => {
  const nights = (liveKiB: number) => [1, 2].map(() => ({ descriptors: 70, memoryKiB: 1, liveKiB }))
  const shown = (asleep: ReturnType<typeof nights>) =>
    judgeAll([], asleep).find(({ figure }) => figure === 'workerd memory, collected, KiB')?.isOnlyShown
  expect([shown(nights(16_000)), shown(nights(Number.NaN)), shown([])]).toEqual([true, false, false])
})

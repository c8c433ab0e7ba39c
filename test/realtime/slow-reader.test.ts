import { describe, expect, test } from 'vitest'
import { isTooSlow, newReader, pace, paceUnanswered, pongs } from '../../src/realtime/slow-reader.ts'

const kibibyte = 1024
const mebibyte = 1_048_576

/** Seeded numbers in [0, 1). */
function chance(seed = 1): () => number {
  let state = seed * 7919 + 104_729
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}

interface Reading {
  readonly everyMs?: number
  /** How long after a ping its pong comes. */
  readonly answersAfterMs?: number
  /** Pongs that come with each frame, whether or not there was a ping. */
  readonly blindly?: (frame: number) => number
  readonly seed?: number
}

/** A client is given a frame every `everyMs`, and answers as it reads, or blindly. */
function reading(sizes: readonly number[], { everyMs = 10, answersAfterMs = Infinity, blindly, seed }: Reading = {}) {
  const reader = newReader()
  const due: number[] = []
  const random = chance(seed)
  let [now, given, probes] = [1000, 0, 0]
  for (const [frame, bytes] of sizes.entries()) {
    now += everyMs
    const answers = due.filter((at) => at <= now).length
    due.splice(0, answers)
    const sent = blindly?.(frame) ?? answers
    if (sent > 0 && !pongs(reader, sent, now, now)) return { sentAway: true, given, probes, after: now - 1000 }
    const pings = pace(reader, bytes, { now: () => now, random, countsAll: true })
    if (pings === 'slow') return { sentAway: true, given, probes, after: now - 1000 }
    given += bytes
    if (pings > 0) probes++
    due.push(...Array.from({ length: pings }, () => now + answersAfterMs))
  }
  return { sentAway: false, given, probes, after: now - 1000 }
}

const frames = (count: number, bytes: number) => Array.from({ length: count }, () => bytes)

describe('a reader who takes nothing', () => {
  test('is sent away once a budget waits and two seconds have passed', () => {
    const { sentAway, given, after } = reading(frames(100_000, 10 * kibibyte))
    expect(sentAway).toBe(true)
    expect(given).toBeLessThan(3 * mebibyte)
    expect(after).toBeLessThan(3000)
  })

  test('never has more waiting than one frame and four mebibytes, however fast and large it comes', () => {
    for (const bytes of [100, 64 * kibibyte, mebibyte, 8 * mebibyte]) {
      const { sentAway, given } = reading(frames(100_000, bytes), { everyMs: 0 })
      expect(sentAway).toBe(true)
      expect(given).toBeLessThanOrEqual(4 * mebibyte + 256 * kibibyte + bytes)
    }
  })

  test('and is sent little is left in peace: silence is the heartbeat’s business', () => {
    expect(reading(frames(10_000, 10), { everyMs: 1000 }).sentAway).toBe(false)
  })
})

describe('a client that does not read', () => {
  const kilobytes = frames(100_000, 10 * kibibyte)

  test.each([
    ['a pong with every frame', () => 1],
    ['a pong every second', (frame: number) => (frame % 100 === 0 ? 1 : 0)],
    ['a pong for each probe it expects', (frame: number) => (frame % 26 === 0 ? 1 : 0)],
    ['two for each probe it expects', (frame: number) => (frame % 26 === 0 ? 2 : 0)],
    ['as many as a probe can have', (frame: number) => (frame % 26 === 0 ? 8 : 0)],
    ['a steady eight a second', (frame: number) => (frame % 12 === 0 ? 1 : 0)],
    ['three at a time, eight times a second', (frame: number) => (frame % 12 === 0 ? 3 : 0)],
    ['all of them at once', (frame: number) => (frame === 30 ? 1000 : 0)],
  ])('is sent away within a few mebibytes, sending %s', (_, blindly) => {
    for (let seed = 1; seed <= 200; seed++) {
      const { sentAway, given } = reading(kilobytes, { blindly, seed })
      expect([seed, sentAway]).toEqual([seed, true])
      expect(given).toBeLessThan(8 * mebibyte)
    }
  })

  test('and asked for no pings is given a frame and four mebibytes', () => {
    for (const bytes of [100, 64 * kibibyte, 8 * mebibyte]) {
      const reader = newReader()
      let given = 0
      while (paceUnanswered(reader, bytes) !== 'slow') given += bytes
      expect(given).toBeGreaterThanOrEqual(4 * mebibyte)
      expect(given).toBeLessThanOrEqual(4 * mebibyte + bytes)
    }
  })
})

describe('a reader who keeps up', () => {
  test('may be late with pongs, and is not taken for one that sends them unasked', () => {
    const { sentAway } = reading(frames(50_000, 10 * kibibyte), { everyMs: 10, answersAfterMs: 900 })
    expect(sentAway).toBe(false)
  })

  test.each([5, 100, 1900])('may be given any amount, answering %i ms late', (answersAfterMs) => {
    expect(reading(frames(10_000, 10 * kibibyte), { everyMs: 5, answersAfterMs }).sentAway).toBe(false)
  })

  test('is asked once for every 256 KiB or round trip', () => {
    expect(reading(frames(1024, kibibyte), { answersAfterMs: 5 }).probes).toBe(4)
    expect(reading(frames(1024, kibibyte), { answersAfterMs: 60_000 }).probes).toBe(1)
  })

  test('may take its time over all it had missed, while the conversation goes on', () => {
    const { sentAway } = reading([16 * mebibyte, ...frames(500, kibibyte)], { answersAfterMs: 5000 })
    expect(sentAway).toBe(false)
  })
})

describe('where the number of waiting bytes is known', () => {
  /** A reader who takes nothing: how much was given to it before it was sent away. */
  function givenTo(sizes: readonly number[]) {
    const reader = newReader()
    let given = 0
    for (const bytes of sizes) {
      if (isTooSlow(reader, given, bytes)) return { given, sentAway: true }
      given += bytes
    }
    return { given, sentAway: false }
  }

  test('a reader who takes nothing never has more waiting than two budgets and a frame', () => {
    for (const bytes of [100, 64 * kibibyte, mebibyte, 8 * mebibyte]) {
      const { given, sentAway } = givenTo(frames(100_000, bytes))
      expect(sentAway).toBe(true)
      expect(given).toBeLessThanOrEqual(2 * mebibyte + bytes)
    }
  })

  test('one keeps its connection while a large answer is on its way, and a budget behind it', () => {
    expect(givenTo([8 * mebibyte, ...frames(100, kibibyte)]).sentAway).toBe(false)
    expect(givenTo([8 * mebibyte, ...frames(1100, kibibyte)]).sentAway).toBe(true)
  })
})

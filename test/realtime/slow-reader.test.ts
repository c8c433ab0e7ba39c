import { describe, expect, test } from 'vitest'
import { isTooSlow, newReader, pace } from '../../src/realtime/slow-reader.ts'

const kibibyte = 1024
const mebibyte = 1_048_576

/** Somebody is given a frame every `everyMs`, and answers a ping `answersAfterMs` later; never, when that is Infinity. */
function reading(frames: readonly number[], { everyMs = 10, answersAfterMs = Infinity } = {}) {
  const reader = newReader()
  const probes: number[] = []
  let now = 1000
  let given = 0
  const answeredAt = () => Math.max(0, ...probes.map((at) => at + answersAfterMs).filter((at) => at <= now))
  for (const bytes of frames) {
    now += everyMs
    const what = pace(reader, bytes, { now: () => now, answeredAt })
    if (what === 'slow') return { sentAway: true, given, probes: probes.length, after: now - 1000 }
    given += bytes
    if (what === 'probe') probes.push(now)
  }
  return { sentAway: false, given, probes: probes.length, after: now - 1000 }
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

  test('and is told little is left in peace: silence is the heartbeat’s business', () => {
    expect(reading(frames(10_000, 10), { everyMs: 1000 }).sentAway).toBe(false)
  })
})

describe('a reader who keeps up', () => {
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

describe('where it is told what waits', () => {
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

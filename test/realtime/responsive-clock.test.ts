import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ResponsiveClock } from '../../durable-objects/gateway/transport/responsive-clock.ts'
import { newReader, pace, pongs, type Reader } from '../../src/realtime/slow-reader.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

/** The thread does something else for `ms`: time passes, and no timer is served. */
const busyFor = (ms: number) => void vi.setSystemTime(Date.now() + ms)

test('a clock of responsive time runs as the wall clock does while timers are served', () => {
  const clock = new ResponsiveClock(Date)
  const start = clock.now()
  for (let passed = 0; passed < 3000; passed += 20) {
    expect(clock.now() - start).toBe(passed)
    vi.advanceTimersByTime(20)
  }
})

test('a clock of responsive time stands still while the thread serves no timer', () => {
  const clock = new ResponsiveClock(Date)
  const start = clock.now()
  for (let times = 0; times < 100; times++) {
    busyFor(500)
    expect(clock.now() - start).toBeLessThanOrEqual(15 * (times + 1))
    vi.advanceTimersByTime(0)
    vi.runOnlyPendingTimers()
  }
})

test('a clock of responsive time that is not read sets no timer, and counts the time in which it was not', () => {
  const clock = new ResponsiveClock(Date)
  const start = clock.now()
  vi.advanceTimersByTime(60_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(clock.now() - start).toBe(60_000)
})

test('a client that answers while the server is seconds behind with everything keeps its connection', () => {
  const reader = newReader()
  const clock = new ResponsiveClock(Date)
  const line = { now: () => clock.now(), random: () => 0.99, countsAll: true }
  const give = () => pace(reader, 64 * 1024, line)
  for (let probe = 0; probe < 50; probe++) {
    let asked = 0
    while (asked === 0) asked = answered(give())
    for (let frames = 0; frames < 8; frames++) answered(give())
    for (let pong = 0; pong < asked; pong++) {
      busyFor(400)
      vi.runOnlyPendingTimers()
      expect(pongAt(reader, clock)).toBe(true)
    }
  }
  expect(reader.wrong).toBe(0)
})

test('a client that does not answer is still disconnected when the server serves its timers', () => {
  const reader = newReader()
  const clock = new ResponsiveClock(Date)
  const line = { now: () => clock.now(), random: () => 0.5, countsAll: true }
  let given = 0
  while (pace(reader, 16 * 1024, line) !== 'slow') {
    given += 16 * 1024
    vi.advanceTimersByTime(20)
  }
  expect(given).toBeLessThan(3 * 1024 * 1024)
})

const pongAt = (reader: Reader, clock: ResponsiveClock) => pongs(reader, 1, clock.now(), Date.now())

function answered(pings: number | 'slow'): number {
  if (pings === 'slow') throw new Error('the client was taken for a slow one')
  return pings
}

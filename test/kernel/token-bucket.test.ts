import { expect, test } from 'vitest'
import { allowance, nextAllowed, reserve, spend } from '../../src/jobs/model/rate.ts'
import { levelOf, drained, drainMs, unitsOf } from '../../src/kernel/token-bucket.ts'
import { Bucket } from '../../src/limits/windows/bucket.ts'

const rate = { limit: 2, windowMs: 1000 }

test('a bucket lends its burst at once, then one unit at each share of its window, without rounding', () => {
  let level = levelOf(rate, 5)
  expect(unitsOf(rate, level)).toBe(5)
  expect(drainMs(rate, level, 4)).toBe(500)
  level = drained(rate, level, 499)
  expect(drainMs(rate, level, 4)).toBe(1)
  expect(drained(rate, level, 1)).toBe(levelOf(rate, 4))
  expect(drained(rate, level, 1e9)).toBe(0)
})

test('a clock that was set back drains nothing, and adds nothing', () => {
  expect(drained(rate, 700, -5000)).toBe(700)
})

test.each([
  { count: 1, seconds: 1 },
  { count: 7, seconds: 60 },
  { count: 1000, seconds: 0.5 },
])(
  'a queue allows starts at the same moments as a limit of the same rate: $count in $seconds s',
  ({ count, seconds }) => {
    const limit = new Bucket({ algorithm: 'token-bucket', limit: count, windowMs: seconds * 1000, burst: count })
    let fullAt = 0
    for (let start = 0, now = 1_790_000_000_000; start < 3 * count && start < 500; start++) {
      expect(nextAllowed({ count, seconds }, fullAt, now) - now).toBe(limit.waitMs(count - 1, now))
      now += limit.waitMs(count - 1, now)
      expect(allowance({ count, seconds }, fullAt, now)).toBeGreaterThan(0)
      expect(reserve({ count, seconds }, fullAt, now)).toEqual({
        at: now,
        fullAt: spend({ count, seconds }, fullAt, 1, now),
      })
      fullAt = spend({ count, seconds }, fullAt, 1, now)
      limit.spend(1, now)
    }
  },
)

import { expect, test } from 'vitest'
import { retryAfterMs } from '../../src/kernel/retry-after.ts'

const now = Date.parse('2026-11-30T12:00:00Z')

test.each([
  ['7', 7000],
  [' 7 ', 7000],
  ['0', 1000],
  ['999999', 60_000],
  ['Mon, 30 Nov 2026 12:00:10 GMT', 10_000],
  ['Mon, 30 Nov 2026 11:00:00 GMT', 1000],
  ['soon', undefined],
  [null, undefined],
])('Retry-After: %s asks for %s ms, of a minute at most', (value, ms) => {
  expect(retryAfterMs(value, now, 60)).toBe(ms)
})

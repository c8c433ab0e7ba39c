import { expect, test } from 'vitest'
import { RecentKeys, warmMs } from '../../src/cache/recent-keys.ts'

test('keys that were read within the period are taken once, and older ones never', () => {
  const recent = new RecentKeys()
  recent.note(['old', 'again'], 0)
  recent.note(['new', 'again'], warmMs)
  expect(recent.take(warmMs + 1)).toEqual(['new', 'again'])
  expect(recent.take(warmMs + 2)).toEqual([])
})

test('of more keys than are kept the ones that were read the longest ago are forgotten', () => {
  const recent = new RecentKeys()
  for (let n = 0; n < 20_000; n += 1000)
    recent.note(
      Array.from({ length: 1000 }, (_, k) => `key${n + k}`),
      n,
    )
  const kept = recent.take(20_000)
  expect(kept).toHaveLength(10_000)
  expect(kept).toContain('key19999')
  expect(kept).not.toContain('key0')
})

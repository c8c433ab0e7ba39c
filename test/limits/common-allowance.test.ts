import { expect, test } from 'vitest'
import { allowanceMs } from '../../src/limits/allowance.ts'
import { CommonAllowance, commonShare } from '../../src/limits/common-allowance.ts'
import { bucketRules, type Rules } from '../../src/limits/rules.ts'

const rules = bucketRules(10, 20, 1)
const start = 1_000_000

test('a quarter of a bucket is common; none where it refills slowly, does not refill by drops, or may be exceeded', () => {
  expect(commonShare(rules)).toBe(5)
  expect(commonShare(bucketRules(10, 100, 1))).toBe(0)
  expect(commonShare({ ...rules, mode: 'soft' })).toBe(0)
  const sliding: Rules = { ...rules, windows: [{ algorithm: 'sliding-window', limit: 20, windowMs: 1000, burst: 0 }] }
  expect(commonShare(sliding)).toBe(0)
})

test('one row covers the little that each of many keys is granted in ten seconds', () => {
  const common = new CommonAllowance(undefined)
  const rows = Array.from({ length: 1000 }, (_, key) => common.cover(`user-${key}`, 1, rules, start + key))
  expect(rows.every(({ covers }) => covers)).toBe(true)
  expect(rows.filter(({ renewed }) => renewed !== undefined)).toHaveLength(1)
})

test('a key that needs more than its share in two periods in a row is not covered, until its account is written', () => {
  const common = new CommonAllowance(undefined)
  const covers = (units: number, at: number) => common.cover('alice', units, rules, at).covers
  expect([covers(3, start), covers(3, start)]).toEqual([true, false])
  expect([covers(2, start + allowanceMs), covers(1, start + allowanceMs)]).toEqual([true, false])
  common.written('alice')
  expect(covers(5, start + allowanceMs)).toBe(true)
})

test('after a loss of memory every key is presumed to hold its share, and is not covered before that has passed', () => {
  const common = new CommonAllowance({ until: start + allowanceMs })
  expect(common.presumed(rules, start + 1000)).toEqual({ units: 5, until: start + 1000 + 5500 })
  expect(common.cover('alice', 1, rules, start + 2 * allowanceMs - 1).covers).toBe(false)
  expect(common.cover('alice', 1, rules, start + 2 * allowanceMs).covers).toBe(true)
})

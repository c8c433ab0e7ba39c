import { describe, expect, test } from 'vitest'
import { allowanceMs } from '../../src/limits/allowance.ts'
import { CommonAllowance, commonRowMs, commonShare, type CommonRow } from '../../src/limits/common-allowance.ts'
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

/** The row that a life writes which is asked by `alice` for one unit at `at`; undefined when it writes none. */
const rowOf = (life: CommonAllowance, at: number, isLent = false): CommonRow | undefined => {
  const cover = life.cover('alice', 1, isLent, rules, at)
  return cover.covers ? cover.row : undefined
}

test('one row covers the little that each of many keys is granted in a minute', () => {
  const common = new CommonAllowance(undefined)
  const covers = Array.from({ length: 3000 }, (_, n) =>
    common.cover(`user-${n % 500}`, 1, false, rules, start + 19 * n),
  )
  expect(covers.every((cover) => cover.covers)).toBe(true)
  expect(covers.filter((cover) => cover.covers && cover.row !== undefined)).toHaveLength(1)
  expect(rowOf(common, start + commonRowMs)).toMatchObject({ until: start + 2 * commonRowMs })
})

test('units that are lent need a row of the last ten seconds', () => {
  const common = new CommonAllowance(undefined)
  expect(rowOf(common, start)).toMatchObject({ lentUntil: 0 })
  expect(rowOf(common, start + 1000, true)).toMatchObject({ lentUntil: start + 1000 + allowanceMs })
  expect(rowOf(common, start + 2000, true)).toBeUndefined()
})

test('a key that needs more than its share in two periods in a row is not covered, until its account is written', () => {
  const common = new CommonAllowance(undefined)
  const covers = (units: number, at: number) => common.cover('alice', units, false, rules, at).covers
  expect([covers(3, start), covers(3, start)]).toEqual([true, false])
  expect([covers(2, start + allowanceMs), covers(1, start + allowanceMs)]).toEqual([true, false])
  common.written('alice')
  expect(covers(5, start + allowanceMs)).toBe(true)
})

describe('after a loss of memory', () => {
  const first = rowOf(new CommonAllowance(undefined), start)

  test('every key is presumed to have spent its share just before, as long as the row is valid', () => {
    const presumedAt = (at: number) => new CommonAllowance(first).presumed(rules, at)
    expect(presumedAt(start + 1000)).toEqual({ units: 5, spentAt: start + 1000 })
    expect(presumedAt(start + commonRowMs - 1)).toEqual({ units: 5, spentAt: start + commonRowMs - 1 })
    expect(presumedAt(start + commonRowMs + allowanceMs)).toBeUndefined()
  })

  test('lent units are presumed to be spent as late as a lease allows', () => {
    const lent = rowOf(new CommonAllowance(undefined), start, true)
    expect(new CommonAllowance(lent).presumed(rules, start + 1000)).toEqual({ units: 5, lentUntil: start + 6500 })
    // A second loss of memory, soon after: the row of that life still says what the first life may have lent.
    const second = new CommonAllowance(lent)
    second.presumed(rules, start + 1000)
    const third = new CommonAllowance(rowOf(second, start + 1000))
    expect(third.presumed(rules, start + 2000)).toEqual({ units: 10, lentUntil: start + 6500 })
  })

  test('lives that follow each other within ten seconds add up, and the fourth is not covered before ten seconds', () => {
    let row = first
    for (let life = 2; life <= 3; life++) {
      const common = new CommonAllowance(row)
      expect(common.presumed(rules, start + life)).toEqual({ units: 5 * (life - 1), spentAt: start + life })
      row = rowOf(common, start + life)
      expect(row).toMatchObject({ shares: life, since: start + life })
    }
    const fourth = new CommonAllowance(row)
    expect(fourth.presumed(rules, start + 4)).toMatchObject({ units: 15 })
    expect(rowOf(fourth, start + 4)).toBeUndefined()
    expect(rowOf(fourth, start + 4 + allowanceMs)).toMatchObject({ shares: 1 })
    expect(new CommonAllowance(row).presumed(rules, start + 3 + allowanceMs)).toMatchObject({ units: 5 })
  })

  test('a row of the version before says the same as it did', () => {
    const common = new CommonAllowance({ until: start + allowanceMs })
    expect(common.presumed(rules, start + 1000)).toEqual({ units: 5, lentUntil: start + 1000 + 5500 })
    expect(rowOf(common, start + 1000)).toMatchObject({ shares: 2, lentUntil: start + 1000 })
  })
})

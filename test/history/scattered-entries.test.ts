import { expect, test } from 'vitest'
import type { ColdRange } from '../../src/events/log-of.ts'
import { readScattered } from '../../src/history/page.ts'

test('entries that lie far apart are read by the pages of old history that have any of them, and no others', async () => {
  const asked: ColdRange[] = []
  const readCold = async (range: ColdRange) => {
    asked.push(range)
    return Array.from({ length: range.last - range.first + 1 }, (_, n) => ({ offset: range.first + n, data: '{}' }))
  }
  // The newest of the entries is held by the conversation.
  const seqs = [7000, 5000, 4901, 205, 3]
  const found = await readScattered({ first: 3, last: 5000, revision: 2 }, seqs, readCold)
  expect(found.map(({ offset }) => offset).toSorted((a, b) => a - b)).toEqual([3, 205, 4901, 5000])
  expect(asked.map(({ first, last }) => [first, last]).toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
    [3, 3],
    [205, 205],
    [4901, 5000],
  ])
  expect(new Set(asked.map(({ revision }) => revision))).toEqual(new Set([2]))
})

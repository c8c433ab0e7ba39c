import { expect, test } from 'vitest'
import { readColdEntries, type ColdHistory } from '../../src/adapters/cold-history.ts'
import type { ColdRange } from '../../src/events/log-of.ts'

test('replies that lie far apart are read by the pages of old history that have any of them, and no others', async () => {
  const asked: ColdRange[] = []
  const cold: ColdHistory = {
    readAhead: async () => undefined,
    read: async (_conversation, _epoch, range) => {
      asked.push(range)
      const seqs = Array.from({ length: range.last - range.first + 1 }, (_, n) => range.first + n)
      return seqs.map((offset) => ({ offset, data: '{}' }))
    },
  }
  const missing = { first: 3, last: 5000, revision: 2 }
  // The newest reply is held by the conversation.
  const seqs = [7000, 5000, 4901, 205, 3]
  const found = await readColdEntries(cold, { conversation: 'lunch', epoch: 'e' }, missing, seqs)
  expect(found.map(({ offset }) => offset).toSorted((a, b) => a - b)).toEqual([3, 205, 4901, 5000])
  expect(asked.map(({ first, last }) => [first, last]).toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
    [3, 3],
    [205, 205],
    [4901, 5000],
  ])
  expect(new Set(asked.map(({ revision }) => revision))).toEqual(new Set([2]))
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byRank, mergeFound, mergeTop, rankOf, readRank, type FoundOnShard } from '../../src/tenants/merge-answers.ts'

const tenants = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/), { maxLength: 40 })

/** A shard that looks at `scanned` of its tenants after a cursor and finds every second one. */
function answerOf(own: readonly string[], cursor: string, scanned: number): FoundOnShard<{ tenant: string }> {
  const after = own.filter((tenant) => tenant > cursor).toSorted()
  const looked = after.slice(0, scanned)
  return {
    found: looked.filter(isFound).map((tenant) => ({ tenant })),
    upTo: after.length > scanned ? (looked.at(-1) ?? null) : null,
  }
}
const isFound = (tenant: string) => tenant.charCodeAt(0) % 2 === 0

describe('rows found on several shards', () => {
  test('is paged so that every tenant comes once and in order, however far each shard looked', () => {
    fc.assert(
      fc.property(tenants, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 7 }), (all, scanned, limit) => {
        const shards = [0, 1, 2].map((shard) => all.filter((_, index) => index % 3 === shard))
        const seen: string[] = []
        let cursor: string | null = ''
        for (let pages = 0; cursor !== null; pages++) {
          expect(pages).toBeLessThan(200)
          const from: string = cursor
          const { found, next } = mergeFound(
            shards.map((own, shard) => answerOf(own, from, scanned + shard)),
            limit,
          )
          expect(found.length).toBeLessThanOrEqual(limit)
          seen.push(...found.map(({ tenant }) => tenant))
          cursor = next
        }
        expect(seen).toEqual(all.filter(isFound).toSorted())
      }),
    )
  })

  test('has no next page where all shards looked at all their tenants', () => {
    expect(mergeFound([{ found: [{ tenant: 'a' }], upTo: null }], 1)).toEqual({ found: [{ tenant: 'a' }], next: null })
    expect(mergeFound([], 1)).toEqual({ found: [], next: null })
  })
})

test('a ranking over shards is paged so that every tenant comes once, the highest first, also where figures are equal', () => {
  const figures = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 40 })
  fc.assert(
    fc.property(figures, fc.integer({ min: 1, max: 7 }), (totals, limit) => {
      const all = totals.map((total, index) => ({ tenant: `t${index}`, total }))
      const seen: string[] = []
      let cursor: string | null = ''
      for (let pages = 0; cursor !== null; pages++) {
        expect(pages).toBeLessThan(100)
        const after = readRank(cursor)
        const shards = [0, 1, 2].map((shard) =>
          all
            .filter((_, index) => index % 3 === shard)
            .filter((one) => after === undefined || byRank(after, one) < 0)
            .toSorted(byRank)
            .slice(0, limit + 1),
        )
        const { top, next } = mergeTop(shards, limit)
        seen.push(...top.map(rankOf))
        cursor = next
      }
      expect(seen).toEqual(all.toSorted(byRank).map(rankOf))
    }),
  )
})

test.each(['', '5', '/a', 'x/a', '-1/a', '5/'])('the cursor %j is not one of a ranking', (text) => {
  expect(readRank(text)).toBeUndefined()
})

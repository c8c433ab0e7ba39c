import { array, assert, asyncProperty, integer, nat } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadCursor, exportPage, mergedNames, type ExportSource } from '../../src/tenants/export-page.ts'

/** A source of numbered lines, of which each part has as many as it was asked for. */
const numbered = (name: string, count: number): ExportSource => ({
  name,
  read: async (cursor, limit) => {
    const from = Number(cursor)
    const to = Math.min(count, from + limit)
    const lines = Array.from({ length: to - from }, (_, n) => `${name} ${from + n}`)
    return { lines, next: to === count ? null : String(to) }
  },
})
const always = { limit: 500, isOver: () => false }

describe('a page of an export', () => {
  test('is followed by pages that give every line of every source once and in order, whatever their limits', async () => {
    const counts = array(nat(40), { minLength: 1, maxLength: 5 })
    const limits = array(integer({ min: 1, max: 30 }), { minLength: 1 })
    await assert(
      asyncProperty(counts, limits, async (given, sizes) => {
        const sources = given.map((count, place) => numbered(`s${'x'.repeat(place)}`, count))
        const all: string[] = []
        let cursor: string | null | undefined
        for (let page = 0; cursor !== null; page++) {
          const limit = sizes[page % sizes.length] ?? 1
          const { lines, next, total } = await exportPage(sources, cursor, { ...always, limit })
          expect(lines.length).toBeLessThanOrEqual(limit)
          all.push(...lines)
          expect(total).toBe(all.length)
          cursor = next
        }
        const expected = given.flatMap((count, place) =>
          Array.from({ length: count }, (_, n) => `s${'x'.repeat(place)} ${n}`),
        )
        expect(all).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })

  test('ends before a part that fails, and throws what its first part throws', async () => {
    const broken: ExportSource = {
      name: 'broken',
      read: async () => await Promise.reject(new Error('the shard is away')),
    }
    const page = await exportPage([numbered('s', 3), broken], undefined, always)
    expect(page).toEqual({ lines: ['s 0', 's 1', 's 2'], total: 3, next: '3:broken:' })
    await expect(exportPage([numbered('s', 3), broken], '3:broken:', always)).rejects.toThrow('the shard is away')
  })

  test('ends when its time is over, and may then have no line', async () => {
    const page = await exportPage([numbered('s', 3)], undefined, { limit: 5, isOver: () => true })
    expect(page).toEqual({ lines: [], total: 0, next: '0:s:' })
  })

  test('refuses a cursor of another export', async () => {
    for (const cursor of ['', 'x', '1:other:', ':s:', '1e3:s:'])
      await expect(exportPage([numbered('s', 1)], cursor, always)).rejects.toThrow(BadCursor)
  })
})

test('names of several lists are one list without repeats', async () => {
  const list = (names: readonly string[]) => async (after: string, limit: number) =>
    names.filter((name) => name > after).slice(0, limit)
  const lists = [list(['B', 'a', 'c']), list(['Z', 'a']), list([])]
  const all: string[] = []
  for (
    let page = await mergedNames(lists, '', 2);
    page.length > 0;
    page = await mergedNames(lists, all.at(-1) ?? '', 2)
  )
    all.push(...page)
  expect(all).toEqual(['B', 'Z', 'a', 'c'])
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { feedSchema, FeedTable, maxPinned, type FeedRetention } from '../../durable-objects/recipients/sql-feed.ts'
import type { FeedItemContent } from '../../src/notifications/feed/item.ts'
import { countsOf, newItemState, noItems, plus, type ItemState } from '../../src/notifications/feed/marks.ts'
import { marks } from '../../src/protocol/feed-marks.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const keepAll: FeedRetention = { maxAgeMs: 1e12, maxItems: 1000 }
const content = (n: number, category?: string): FeedItemContent => ({
  notification: `n${n}`,
  workflow: 'w',
  body: `Text ${n}`,
  ...(category === undefined ? {} : { category }),
})

function open() {
  const sql = new NodeSql([feedSchema])
  return { sql, feed: new FeedTable(sql) }
}

/** A feed of `default` with items 1 to `count`, at the times 1 to `count`. */
function feedOf(count: number, retention = keepAll) {
  const { sql, feed } = open()
  for (let n = 1; n <= count; n++)
    feed.add('ada', 'default', content(n, n % 2 === 0 ? 'even' : undefined), n, retention)
  return { sql, feed }
}

const numbers = (items: readonly { readonly id: string }[]) => items.map(({ id }) => Number(id.split(':')[1]))
const all = { filter: 'all', before: 1e9, limit: 100 } as const

describe('the counts of a feed', () => {
  test('equal a recount of its items after any adding, marking and pruning', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('add' as const),
        user: fc.integer({ min: 0, max: 1 }),
        feed: fc.integer({ min: 0, max: 1 }),
      }),
      fc.record({
        do: fc.constant('mark' as const),
        user: fc.integer({ min: 0, max: 1 }),
        feed: fc.integer({ min: 0, max: 1 }),
        mark: fc.constantFrom(...marks),
        items: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
      }),
      fc.record({
        do: fc.constant('all' as const),
        user: fc.integer({ min: 0, max: 1 }),
        feed: fc.integer({ min: 0, max: 1 }),
        mark: fc.constantFrom(...marks),
        upTo: fc.integer({ min: 0, max: 12 }),
      }),
      fc.record({
        do: fc.constant('prune' as const),
        user: fc.integer({ min: 0, max: 1 }),
        feed: fc.integer({ min: 0, max: 1 }),
        maxItems: fc.integer({ min: 0, max: 8 }),
        maxAgeMs: fc.integer({ min: 0, max: 30 }),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { sql, feed } = open()
        let now = 0
        for (const one of steps) {
          now++
          const [user, name] = [`u${one.user}`, `f${one.feed}`]
          if (one.do === 'add') feed.add(user, name, content(now), now, keepAll)
          else if (one.do === 'mark') feed.mark(user, name, one.items, one.mark, now)
          else if (one.do === 'all') feed.markAll(user, name, one.upTo, one.mark, now)
          else feed.prune(user, name, now, one)
        }
        for (const user of ['u0', 'u1'])
          for (const name of ['f0', 'f1']) expect(feed.counts(user, name)).toEqual(recount(sql, user, name))
      }),
      { numRuns: 300 },
    )
  })

  test('cost no row beside that of a new item', () => {
    const { sql } = feedOf(40)
    expect(sql.exec('SELECT count(*) AS n FROM feeds').one()).toEqual({ n: 0 })
  })

  test('are known for each feed of the user', () => {
    const { feed } = feedOf(2)
    feed.add('ada', 'work', content(3), 3, keepAll)
    feed.add('bob', 'other', content(4), 4, keepAll)
    expect(Object.keys(feed.allCounts('ada'))).toEqual(['default', 'work'])
    expect(feed.allCounts('ada')['work']).toEqual({ total: 1, unseen: 1, unread: 1, archived: 0, pinned: 0 })
  })
})

function recount(sql: NodeSql, user: string, feed: string) {
  const query =
    'SELECT seen_at, read_at, interacted_at, archived_at, pinned_at FROM feed_items WHERE user = ? AND feed = ?'
  const states = [...sql.exec<Record<string, number | null>>(query, user, feed)].map((row): ItemState => ({
    seenAt: row['seen_at'] ?? null,
    readAt: row['read_at'] ?? null,
    interactedAt: row['interacted_at'] ?? null,
    archivedAt: row['archived_at'] ?? null,
    pinnedAt: row['pinned_at'] ?? null,
  }))
  return states.reduce((sum, state) => plus(sum, countsOf(state)), noItems)
}

describe('a mark', () => {
  test('of an item as interacted with makes it read and seen as well', () => {
    const { feed } = feedOf(1)
    feed.mark('ada', 'default', [1], 'interacted', 50)
    expect(feed.find('ada', 'default', 1)).toMatchObject({ seenAt: 50, readAt: 50, interactedAt: 50 })
  })

  test('that is repeated keeps the time of the first and reports no item as changed', () => {
    const { feed } = feedOf(1)
    feed.mark('ada', 'default', [1], 'read', 50)
    expect(feed.mark('ada', 'default', [1], 'read', 60)).toMatchObject({ items: [] })
    expect(feed.find('ada', 'default', 1)?.readAt).toBe(50)
  })

  test('of all items leaves those that came after the newest one that the client knows', () => {
    const { feed } = feedOf(5)
    const { counts, items } = feed.markAll('ada', 'default', 3, 'seen', 50)
    expect(numbers(items)).toEqual([1, 2, 3])
    expect(counts).toMatchObject({ total: 5, unseen: 2, unread: 5 })
  })

  test('of an unknown item changes nothing', () => {
    const { feed } = feedOf(1)
    expect(feed.mark('ada', 'default', [7], 'read', 50)).toMatchObject({ items: [], counts: { unread: 1 } })
  })

  test('that would pin more items than a feed may have is refused', () => {
    const { feed } = feedOf(maxPinned + 1)
    const upTo = Array.from({ length: maxPinned }, (_, index) => index + 1)
    feed.mark('ada', 'default', upTo, 'pinned', 50)
    expect(feed.mark('ada', 'default', [maxPinned + 1], 'pinned', 51)).toMatchObject({ error: 'limitExceeded' })
    expect(feed.counts('ada', 'default').pinned).toBe(maxPinned)
  })
})

describe('a page of a feed', () => {
  test('begins with the newest item, and the pages together have each item once', () => {
    const { feed } = feedOf(25)
    const found: number[] = []
    for (let before: number | undefined = 1e9; before !== undefined;) {
      const page = feed.page('ada', 'default', { filter: 'all', before, limit: 10 })
      found.push(...numbers(page.items))
      before = page.before
    }
    expect(found).toEqual(Array.from({ length: 25 }, (_, index) => 25 - index))
  })

  test('shows the items of its filter and category alone', () => {
    const { feed } = feedOf(6)
    feed.mark('ada', 'default', [1, 2], 'read', 50)
    feed.mark('ada', 'default', [3], 'seen', 50)
    feed.mark('ada', 'default', [4], 'archived', 50)
    const shown = (filter: 'unseen' | 'unread' | 'read' | 'archived', category?: string) =>
      numbers(feed.page('ada', 'default', { ...all, filter, ...(category === undefined ? {} : { category }) }).items)
    expect(shown('unseen')).toEqual([6, 5])
    expect(shown('unread')).toEqual([6, 5, 3])
    expect(shown('read')).toEqual([2, 1])
    expect(shown('archived')).toEqual([4])
    expect(shown('unread', 'even')).toEqual([6])
  })
})

describe('retention', () => {
  test('deletes items that are older or more than is kept, and no pinned one', () => {
    const { feed } = feedOf(10)
    feed.mark('ada', 'default', [2], 'pinned', 11)
    expect(feed.prune('ada', 'default', 12, { maxAgeMs: 1e9, maxItems: 6 })).toBe(3)
    expect(feed.prune('ada', 'default', 12, { maxAgeMs: 5, maxItems: 100 })).toBe(2)
    expect(numbers(feed.page('ada', 'default', all).items)).toEqual([10, 9, 8, 7])
    expect(numbers(feed.page('ada', 'default', { ...all, filter: 'pinned' }).items)).toEqual([2])
  })

  test('keeps numbering after all items are gone, so that an old id never names a new item', () => {
    const { feed } = feedOf(3)
    feed.prune('ada', 'default', 100, { maxAgeMs: 0, maxItems: 0 })
    expect(feed.add('ada', 'default', content(4), 101, keepAll).item.id).toBe('default:4')
  })

  test('bounds a feed of a user that never reads it', () => {
    const { feed } = feedOf(400, { maxAgeMs: 1e9, maxItems: 100 })
    expect(feed.counts('ada', 'default').total).toBeLessThanOrEqual(150)
  })

  test('goes through the feeds of all users bit by bit', () => {
    const { feed } = open()
    for (let user = 0; user < 30; user++) feed.add(`u${user}`, 'default', content(user), user, keepAll)
    let deleted = 0
    for (let after: readonly [string, string] | undefined = ['', '']; after !== undefined;) {
      const step = feed.pruneOld(after, 7, 30, { maxAgeMs: 10, maxItems: 100 })
      deleted += step.deleted
      after = step.next
    }
    expect(deleted).toBe(20)
  })
})

test('a new item has no marks', () => {
  expect(feedOf(1).feed.find('ada', 'default', 1)).toMatchObject(newItemState)
})

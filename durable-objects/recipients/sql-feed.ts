import {
  countsOf,
  marked,
  newItemState,
  noItems,
  plus,
  type FeedCounts,
  type ItemState,
} from '../../src/notifications/feed/marks.ts'
import type { FeedItem, FeedItemContent } from '../../src/notifications/feed/item.ts'
import { itemIdOf, type FeedFilter } from '../../src/protocol/feed-api.ts'
import type { Mark } from '../../src/protocol/feed-marks.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { parseStored } from '../shared/parse-stored.ts'
import { RowInserts } from '../shared/row-inserts.ts'
import type { Sql } from '../shared/sql.ts'

/**
 * Items are numbered in their feed from 1 on. The counts of a feed follow from the newest number and from `feeds`, which has how far
 * they differ from those of a feed in which no item was ever marked or deleted. So an item costs one row, and no count is ever made by
 * counting rows. `last_n` is the newest number whose row was deleted.
 */
export const feedSchema = `
  CREATE TABLE feed_items (
    user TEXT NOT NULL, feed TEXT NOT NULL, n INTEGER NOT NULL, notification TEXT NOT NULL, at INTEGER NOT NULL, category TEXT,
    seen_at INTEGER, read_at INTEGER, interacted_at INTEGER, archived_at INTEGER, pinned_at INTEGER, content TEXT NOT NULL,
    PRIMARY KEY (user, feed, n)) WITHOUT ROWID;
  CREATE INDEX feed_pinned ON feed_items (user, feed, n) WHERE pinned_at IS NOT NULL;
  CREATE TABLE feeds (
    user TEXT NOT NULL, feed TEXT NOT NULL, last_n INTEGER NOT NULL, total INTEGER NOT NULL, unseen INTEGER NOT NULL,
    unread INTEGER NOT NULL, archived INTEGER NOT NULL, pinned INTEGER NOT NULL, PRIMARY KEY (user, feed)) WITHOUT ROWID;`

/** How long items are kept, and how many of each feed. Pinned items are kept in any case. */
export interface FeedRetention {
  readonly maxAgeMs: number
  readonly maxItems: number
}

export interface FeedQuery {
  readonly filter: FeedFilter
  readonly category?: string | undefined
  /** Items with smaller numbers only. */
  readonly before: number
  readonly limit: number
}

export interface FeedPage {
  readonly items: FeedItem[]
  /** Items that are left; undefined at the end. */
  readonly before: number | undefined
}

/** What a mark has changed: the counts from then on, and the items with the notifications that they belong to. */
export interface Marked {
  readonly kind: 'marked'
  readonly counts: FeedCounts
  readonly items: readonly { readonly id: string; readonly notification: string; readonly state: ItemState }[]
}

export const maxPinned = 20
/** Items of a feed that are kept. */
export const keptItems = 1000
/** A feed is cut to its number of items once it has so many more, so that the cut is not a row for every item. */
const slack = 50
/** Items that one commit of a sweep deletes, those of its last feed beyond. */
const prunedAtOnce = 2000

/** What the counts of a feed follow from: its newest number, and how far they differ from those of a feed without marks. */
export interface FeedHead {
  readonly newest: number
  readonly base: FeedCounts
}

/** An item that was added, with the counts of its feed from then on. */
export interface AddedItem {
  readonly item: FeedItem
  readonly counts: FeedCounts
}

const emptyHead: FeedHead = { newest: 0, base: noItems }

/** The feeds of the users of one actor. Items are inserted together: they are in the table from `flush` on, or the next time it is read. */
export class FeedTable {
  readonly #sql: Sql
  readonly #inserts: RowInserts

  constructor(sql: Sql) {
    this.#sql = sql
    const head = 'INSERT INTO feed_items (user, feed, n, notification, at, category, content)'
    this.#inserts = new RowInserts(sql, head, 7)
  }

  /** Adds an item behind those of `head`, one row. The caller has made sure that it is not there yet. */
  add(
    user: string,
    feed: string,
    content: FeedItemContent,
    at: number,
    retention: FeedRetention,
    head: FeedHead = this.head(user, feed),
  ): AddedItem {
    const n = head.newest + 1
    const { notification, category, ...rest } = content
    this.#inserts.add(user, feed, n, notification, at, category ?? null, JSON.stringify(rest))
    const item = { id: itemIdOf(feed, n), feed, at, ...content, ...newItemState }
    const isPruned = n % slack === 0 && this.prune(user, feed, at, retention) > 0
    return { item, counts: isPruned ? this.counts(user, feed) : plus(head.base, each, n) }
  }

  flush(): void {
    this.#inserts.flush()
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.#inserts.clear()
  }

  /** The counts of a feed, without looking at its items. */
  counts(user: string, feed: string): FeedCounts {
    const { base, newest } = this.head(user, feed)
    return plus(base, each, newest)
  }

  head(user: string, feed: string): FeedHead {
    this.flush()
    return { newest: this.#newest(user, feed), base: this.#base(user, feed) }
  }

  /** The heads of one feed of many users, by their ids. */
  heads(users: readonly string[], feed: string): Map<string, FeedHead> {
    this.flush()
    const sql = `SELECT u.value AS user, f.total, f.unseen, f.unread, f.archived, f.pinned, max(coalesce(f.last_n, 0),
        coalesce((SELECT max(n) FROM feed_items WHERE user = u.value AND feed = ?2), 0)) AS newest
      FROM json_each(?1) u LEFT JOIN feeds f ON f.user = u.value AND f.feed = ?2`
    const found = new Map<string, FeedHead>()
    for (const { user, newest, total, ...rest } of this.#sql.exec<HeadRow>(sql, JSON.stringify(users), feed))
      found.set(
        user,
        newest === 0 ? emptyHead : { newest, base: total === null ? noItems : baseOf({ total, ...rest }) },
      )
    return found
  }

  /** The counts of all feeds that a user has. */
  allCounts(user: string): Record<string, FeedCounts> {
    return Object.fromEntries(this.feedsOf(user).map((feed) => [feed, this.counts(user, feed)]))
  }

  /** The feeds of a user: one seek for each. */
  feedsOf(user: string): string[] {
    this.flush()
    const sql = `SELECT min(feed) AS feed FROM (
      SELECT min(feed) AS feed FROM feed_items WHERE user = ?1 AND feed > ?2
      UNION ALL SELECT min(feed) FROM feeds WHERE user = ?1 AND feed > ?2)`
    const found: string[] = []
    for (let last = ''; ;) {
      const { feed } = this.#sql.exec<{ feed: string | null }>(sql, user, last).one()
      if (feed === null) return found
      found.push((last = feed))
    }
  }

  /** A page, the newest first. Pinned items are not in it unless they are asked for: a page shows them above. */
  page(user: string, feed: string, { filter, category, before, limit }: FeedQuery): FeedPage {
    this.flush()
    const wanted = [conditions[filter], ...(category === undefined ? [] : ['category = ?'])].join(' AND ')
    const sql = `SELECT * FROM feed_items WHERE user = ? AND feed = ? AND n < ? AND ${wanted} ORDER BY n DESC LIMIT ?`
    const rows = this.#sql
      .exec<ItemRow>(sql, user, feed, before, ...(category === undefined ? [] : [category]), limit + 1)
      .toArray()
    const shown = rows.slice(0, limit)
    return { items: shown.map(readItem), before: rows.length > limit ? shown.at(-1)?.n : undefined }
  }

  /** Items of all feeds of a user behind one of them, by feed and number. */
  after(user: string, feed: string, n: number, limit: number): { readonly item: FeedItem; readonly n: number }[] {
    this.flush()
    const sql = 'SELECT * FROM feed_items WHERE user = ? AND (feed, n) > (?, ?) ORDER BY feed, n LIMIT ?'
    return [...this.#sql.exec<ItemRow>(sql, user, feed, n, limit)].map((row) => ({ item: readItem(row), n: row.n }))
  }

  /** One item, by its number. */
  find(user: string, feed: string, n: number): FeedItem | undefined {
    this.flush()
    const sql = 'SELECT * FROM feed_items WHERE user = ? AND feed = ? AND n = ?'
    const [row] = this.#sql.exec<ItemRow>(sql, user, feed, n)
    return row === undefined ? undefined : readItem(row)
  }

  /** Marks items by their numbers. Unknown ones are left out: retention may have taken them. Refuses more pins than a feed may have. */
  mark(user: string, feed: string, numbers: readonly number[], mark: Mark, now: number): Marked | Refusal {
    this.flush()
    const sql = 'SELECT * FROM feed_items WHERE user = ? AND feed = ? AND n = ?'
    const rows = [...new Set(numbers)].flatMap((n) => this.#sql.exec<ItemRow>(sql, user, feed, n).toArray())
    const pins = mark === 'pinned' ? rows.filter((row) => row.pinned_at === null).length : 0
    if (pins > 0 && this.counts(user, feed).pinned + pins > maxPinned)
      return refuse('limitExceeded', `at most ${maxPinned} items of a feed are pinned; unpin one first`)
    return this.#markRows(user, feed, rows, mark, now)
  }

  /** Marks all items that are not archived, up to the number `upTo`. */
  markAll(user: string, feed: string, upTo: number, mark: Mark, now: number): Marked {
    this.flush()
    const sql = `SELECT * FROM feed_items WHERE user = ? AND feed = ? AND n <= ? AND ${unmarkedBy[mark]} ORDER BY n`
    return this.#markRows(user, feed, this.#sql.exec<ItemRow>(sql, user, feed, upTo).toArray(), mark, now)
  }

  /** Deletes what is older or more than is kept. Returns how many items were deleted. */
  prune(user: string, feed: string, now: number, { maxAgeMs, maxItems }: FeedRetention): number {
    this.flush()
    const newest = this.#newest(user, feed)
    const sql = `DELETE FROM feed_items WHERE user = ? AND feed = ? AND n IN (
        SELECT n FROM feed_items WHERE user = ? AND feed = ? AND (n <= ? OR at < ?) AND pinned_at IS NULL)
      RETURNING n, seen_at, read_at, interacted_at, archived_at, pinned_at`
    const bounds = [newest - maxItems, now - maxAgeMs]
    const rows = this.#sql.exec<StateRow>(sql, user, feed, user, feed, ...bounds).toArray()
    if (rows.length === 0) return 0
    const gone = rows.reduce((sum, row) => plus(sum, countsOf(readState(row))), noItems)
    this.#change(user, feed, plus(noItems, gone, -1), newest)
    return rows.length
  }

  /** Prunes feeds that have an item older than is kept, from one feed on; `next` is where to go on, undefined after the last feed. */
  pruneOld(
    after: readonly [user: string, feed: string],
    feeds: number,
    now: number,
    retention: FeedRetention,
  ): { readonly next: readonly [string, string] | undefined; readonly deleted: number } {
    this.flush()
    const sql = `SELECT user, feed, at FROM feed_items WHERE (user, feed) > (?, ?) ORDER BY user, feed, n LIMIT 1`
    let [last, deleted] = [after, 0]
    for (let looked = 0; looked < feeds && deleted < prunedAtOnce; looked++) {
      const [row] = this.#sql.exec<{ user: string; feed: string; at: number }>(sql, ...last)
      if (row === undefined) return { next: undefined, deleted }
      last = [row.user, row.feed]
      if (row.at < now - retention.maxAgeMs) deleted += this.prune(row.user, row.feed, now, retention)
    }
    return { next: last, deleted }
  }

  /** Deletes everything of a user. */
  deleteUser(user: string): void {
    this.flush()
    this.#sql.exec('DELETE FROM feed_items WHERE user = ?', user)
    this.#sql.exec('DELETE FROM feeds WHERE user = ?', user)
  }

  #markRows(user: string, feed: string, rows: readonly ItemRow[], mark: Mark, now: number): Marked {
    const items: { id: string; notification: string; state: ItemState }[] = []
    let difference = noItems
    for (const row of rows) {
      const before = readState(row)
      const state = marked(before, mark, now)
      if (state === before) continue
      const times = [state.seenAt, state.readAt, state.interactedAt, state.archivedAt, state.pinnedAt]
      this.#sql.exec(update, ...times, user, feed, row.n)
      difference = plus(plus(difference, countsOf(state)), countsOf(before), -1)
      items.push({ id: itemIdOf(feed, row.n), notification: row.notification, state })
    }
    if (items.length > 0) this.#change(user, feed, difference, 0)
    return { kind: 'marked', counts: this.counts(user, feed), items }
  }

  #newest(user: string, feed: string): number {
    const sql = `SELECT max(coalesce((SELECT max(n) FROM feed_items WHERE user = ?1 AND feed = ?2), 0),
      coalesce((SELECT last_n FROM feeds WHERE user = ?1 AND feed = ?2), 0)) AS n`
    return this.#sql.exec<{ n: number }>(sql, user, feed).one().n
  }

  #base(user: string, feed: string): FeedCounts {
    const sql = 'SELECT total, unseen, unread, archived, pinned FROM feeds WHERE user = ? AND feed = ?'
    const [row] = this.#sql.exec<Record<keyof FeedCounts, number>>(sql, user, feed)
    return row ?? noItems
  }

  #change(user: string, feed: string, by: FeedCounts, lastN: number): void {
    const sql = `INSERT INTO feeds (user, feed, last_n, total, unseen, unread, archived, pinned) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (user, feed) DO UPDATE SET last_n = max(last_n, excluded.last_n), total = total + excluded.total,
        unseen = unseen + excluded.unseen, unread = unread + excluded.unread, archived = archived + excluded.archived,
        pinned = pinned + excluded.pinned`
    this.#sql.exec(sql, user, feed, lastN, by.total, by.unseen, by.unread, by.archived, by.pinned)
  }
}

const update = `UPDATE feed_items SET seen_at = ?, read_at = ?, interacted_at = ?, archived_at = ?, pinned_at = ?
  WHERE user = ? AND feed = ? AND n = ?`

/** What each item adds when it is new. */
const each: FeedCounts = { total: 1, unseen: 1, unread: 1, archived: 0, pinned: 0 }

const conditions: Readonly<Record<FeedFilter, string>> = {
  all: 'archived_at IS NULL AND pinned_at IS NULL',
  unseen: 'archived_at IS NULL AND seen_at IS NULL',
  unread: 'archived_at IS NULL AND read_at IS NULL',
  read: 'archived_at IS NULL AND read_at IS NOT NULL',
  archived: 'archived_at IS NOT NULL',
  pinned: 'pinned_at IS NOT NULL',
}

/** Items that a mark of all of them would change. */
const unmarkedBy: Readonly<Record<Mark, string>> = {
  seen: 'archived_at IS NULL AND seen_at IS NULL',
  unseen: 'archived_at IS NULL AND seen_at IS NOT NULL',
  read: 'archived_at IS NULL AND read_at IS NULL',
  unread: 'archived_at IS NULL AND read_at IS NOT NULL',
  interacted: 'archived_at IS NULL AND interacted_at IS NULL',
  archived: 'archived_at IS NULL',
  unarchived: 'archived_at IS NOT NULL',
  pinned: 'archived_at IS NULL AND pinned_at IS NULL',
  unpinned: 'pinned_at IS NOT NULL',
}

interface HeadRow extends Record<string, string | number | null> {
  readonly user: string
  readonly newest: number
  /** Null, like the others, where the feed has no row. */
  readonly total: number | null
  readonly unseen: number
  readonly unread: number
  readonly archived: number
  readonly pinned: number
}

const baseOf = ({ total, unseen, unread, archived, pinned }: FeedCounts): FeedCounts => ({
  total,
  unseen,
  unread,
  archived,
  pinned,
})

interface StateRow extends Record<string, string | number | null> {
  readonly n: number
  readonly seen_at: number | null
  readonly read_at: number | null
  readonly interacted_at: number | null
  readonly archived_at: number | null
  readonly pinned_at: number | null
}

interface ItemRow extends StateRow {
  readonly feed: string
  readonly notification: string
  readonly at: number
  readonly category: string | null
  readonly content: string
}

const readState = (row: StateRow): ItemState => ({
  seenAt: row.seen_at,
  readAt: row.read_at,
  interactedAt: row.interacted_at,
  archivedAt: row.archived_at,
  pinnedAt: row.pinned_at,
})

function readItem(row: ItemRow): FeedItem {
  const content = parseStored<Omit<FeedItemContent, 'notification' | 'category'>>(row.content)
  const { feed, n, at, notification, category } = row
  return {
    id: itemIdOf(feed, n),
    feed,
    at,
    notification,
    ...(category === null ? {} : { category }),
    ...content,
    ...readState(row),
  }
}

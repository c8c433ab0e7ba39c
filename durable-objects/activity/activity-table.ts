import { mergeActivity } from '../../src/activity/merge-activity.ts'
import { pageOfListed, withStatesOf } from '../../src/activity/listed-page.ts'
import { hasConversation } from '../../src/activity/growing.ts'
import type { ActivityQuery, ActivityRow, ConversationActivity } from '../../src/events/activity.ts'
import type { Sql } from '../shared/sql.ts'

type StoredRow = { id: string; at: number; activity: string | null }

/** Rows in one part of what a new actor takes over. */
const rowsPerPart = 500

/** Rows of conversations, as a new actor takes them over; `next` is where the following part begins. */
export interface RowsPart {
  readonly rows: readonly { readonly changed: number; readonly activity: ConversationActivity }[]
  readonly next: string | null
}

/** Where conversations stand: one row each. */
export class ActivityTable {
  readonly #sql: Sql
  readonly #exists: boolean

  constructor(sql: Sql, exists: boolean) {
    this.#sql = sql
    this.#exists = exists
  }

  /**
   * Adds news to a conversation's row; nothing is written when it says so already. Returns when the row changed last, and
   * what is to be published: the news, or all that is known where the news is late.
   */
  merge(
    news: ConversationActivity,
    now: number,
  ): { readonly publication: ConversationActivity; readonly changed: number } {
    const stored = this.#sql
      .exec<{ changed: number; activity: string }>(
        'SELECT changed, activity FROM conversations WHERE id = ?',
        news.conversation,
      )
      .toArray()[0]
    const known = stored === undefined ? undefined : parseActivity(stored.activity)
    const merged = mergeActivity(known, news)
    const text = JSON.stringify(merged)
    const isLate =
      known !== undefined && (news.epoch !== merged.epoch || news.last < known.last || news.version < known.version)
    const publication = isLate ? merged : news
    if (text === stored?.activity) return { publication, changed: stored.changed }
    this.#sql.exec(
      `INSERT INTO conversations (id, at, changed, activity) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at, changed = max(changed, excluded.changed), activity = excluded.activity`,
      news.conversation,
      merged.at,
      now,
      text,
    )
    return { publication, changed: now }
  }

  rows(query: ActivityQuery): ActivityRow[] {
    if (query.kind === 'changed') return this.#changed(query)
    if (!this.#exists) return pageOfListed(query)
    return this.#newest(query).map((row) => toRow(row, query.user))
  }

  /** The activities of the page alone are read and parsed, and the ids come as the keys of one JSON object. */
  #newest({ conversations, before, limit }: Extract<ActivityQuery, { kind: 'newest' }>): StoredRow[] {
    const [at, id] = before ?? [Number.MAX_SAFE_INTEGER, '']
    return this.#sql
      .exec<StoredRow>(
        `SELECT page.id, page.at, c.activity FROM (
           SELECT listed.key AS id, max(listed.value, coalesce(c.at, 0)) AS at
           FROM json_each(?) AS listed LEFT JOIN conversations c ON c.id = listed.key
           WHERE (max(listed.value, coalesce(c.at, 0)), listed.key) < (?, ?)
           ORDER BY 2 DESC, 1 DESC LIMIT ?) AS page
         LEFT JOIN conversations c ON c.id = page.id ORDER BY page.at DESC, page.id DESC`,
        `{${conversations.map(([listed, listedAt]) => `${JSON.stringify(listed)}:${listedAt}`).join(',')}}`,
        at,
        id,
        limit,
      )
      .toArray()
  }

  #changed({ conversations, since, limit, user }: Extract<ActivityQuery, { kind: 'changed' }>): ActivityRow[] {
    if (!this.#exists) return []
    return this.#sql
      .exec<StoredRow>(
        `SELECT c.id, c.at, c.activity FROM json_each(?) AS asked CROSS JOIN conversations c ON c.id = asked.value
         WHERE c.changed >= ? LIMIT ?`,
        JSON.stringify(conversations),
        since,
        limit,
      )
      .toArray()
      .map((row) => toRow(row, user))
  }

  /** Rows for the actor with this number, by conversation id after `after`. */
  part(number: number, after: string): RowsPart {
    const rows = this.#sql
      .exec<{ id: string; changed: number; activity: string }>(
        'SELECT id, changed, activity FROM conversations WHERE id > ? ORDER BY id LIMIT ?',
        after,
        rowsPerPart,
      )
      .toArray()
    return {
      rows: rows.flatMap(({ id, changed, activity }) =>
        hasConversation(number, id) ? [{ changed, activity: parseActivity(activity) }] : [],
      ),
      next: rows.length < rowsPerPart ? null : (rows.at(-1)?.id ?? null),
    }
  }
}

function toRow({ id, at, activity }: StoredRow, user: string | undefined): ActivityRow {
  return { conversation: id, at, activity: activity === null ? undefined : withStatesOf(parseActivity(activity), user) }
}

function parseActivity(text: string): ConversationActivity {
  const activity: ConversationActivity = JSON.parse(text)
  return activity
}

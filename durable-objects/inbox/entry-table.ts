import type { InboxEntry } from '../../src/inbox/entry.ts'
import type { ListCursor } from '../../src/inbox/list.ts'

/** The conversations of one inbox, and with them its stream: each row is the newest event of its conversation. */
export class EntryTable {
  readonly #sql: SqlStorage
  readonly #exists: boolean
  #top: number

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    this.#exists = exists
    this.#top = exists ? Number(sql.exec('SELECT coalesce(max(offset), 0) AS top FROM entries').one()['top']) : 0
  }

  get(conversation: string): InboxEntry | undefined {
    return this.#rows('WHERE conversation = ?', conversation)[0]
  }

  put(entry: InboxEntry): void {
    this.#sql.exec(
      `INSERT INTO entries (conversation, offset, at, removed, entry) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (conversation) DO UPDATE SET offset = excluded.offset, at = excluded.at, removed = excluded.removed, entry = excluded.entry`,
      entry.conversation,
      entry.offset,
      entry.at,
      entry.removed ? 1 : 0,
      JSON.stringify(entry),
    )
    this.#top = Math.max(this.#top, entry.offset)
  }

  /** Entries that changed after `offset`, in the order of their newest events. */
  after(offset: number, limit: number): InboxEntry[] {
    return offset >= this.#top ? [] : this.#rows('WHERE offset > ? ORDER BY offset LIMIT ?', offset, limit)
  }

  /** The list, newest activity first. */
  list(cursor: ListCursor | undefined, limit: number): InboxEntry[] {
    const { at, conversation } = cursor ?? { at: Number.MAX_SAFE_INTEGER, conversation: '' }
    return this.#rows(
      'WHERE removed = 0 AND (at, conversation) < (?, ?) ORDER BY at DESC, conversation DESC LIMIT ?',
      at,
      conversation,
      limit,
    )
  }

  /** The offset of the newest event. */
  top(): number {
    return this.#top
  }

  #rows(where: string, ...bindings: (string | number)[]): InboxEntry[] {
    if (!this.#exists) return []
    return this.#sql
      .exec(`SELECT entry FROM entries ${where}`, ...bindings)
      .toArray()
      .map((row) => parseEntry(String(row['entry'])))
  }
}

function parseEntry(text: string): InboxEntry {
  const entry: InboxEntry = JSON.parse(text)
  return entry
}

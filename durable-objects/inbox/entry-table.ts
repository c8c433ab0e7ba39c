import type { InboxEntry } from '../../src/inbox/entry.ts'

/** The conversations of one inbox, and with them its stream: each row is the newest event of its conversation. */
export class EntryTable {
  readonly #sql: SqlStorage
  readonly #exists: boolean
  #top: number
  /** The conversations of the list and the times of their entries, once they were asked for. */
  #listed: Map<string, number> | undefined

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
    if (entry.removed) this.#listed?.delete(entry.conversation)
    else this.#listed?.set(entry.conversation, entry.at)
  }

  /** Entries that changed after `offset`, in the order of their newest events. */
  after(offset: number, limit: number): InboxEntry[] {
    return offset >= this.#top ? [] : this.#rows('WHERE offset > ? ORDER BY offset LIMIT ?', offset, limit)
  }

  /** The conversations of the list, in no order, with the times of their entries. */
  listed(): ReadonlyMap<string, number> {
    if (!this.#exists) return new Map()
    this.#listed ??= new Map(
      [
        ...this.#sql.exec<{ conversation: string; at: number }>(
          'SELECT conversation, at FROM entries WHERE removed = 0',
        ),
      ].map(({ conversation, at }) => [conversation, at]),
    )
    return this.#listed
  }

  /** The entries of some conversations of the list. */
  some(conversations: readonly string[]): Map<string, InboxEntry> {
    const entries = this.#rows(
      'WHERE removed = 0 AND conversation IN (SELECT value FROM json_each(?))',
      JSON.stringify(conversations),
    )
    return new Map(entries.map((entry) => [entry.conversation, entry]))
  }

  /** Entries were changed or deleted in the table. */
  reread(): void {
    this.#listed = undefined
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

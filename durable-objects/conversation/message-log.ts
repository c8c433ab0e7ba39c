import type { Log, Place } from '../../src/conversations/ports.ts'
import type { LogRow } from '../../src/conversations/types.ts'
import { entryTexts } from '../../src/events/internal-events.ts'
import type { Settings } from '../shared/settings.ts'
import { messagesUpTo } from './message-numbers.ts'

type Row = { seq: number; at: number; user: string; client: string; client_id: string | null; data: string }

const columns = 'seq, at, user, client, client_id, data'
const insertion = `INSERT INTO messages (${columns}, number) VALUES (?, ?, ?, ?, ?, ?, ?)`
const insertionOfReply = `INSERT INTO messages (${columns}, number, thread, reply) VALUES (?, ?, ?, ?, ?, ?, ?, ?8,
  1 + coalesce((SELECT reply FROM messages WHERE thread = ?8 ORDER BY seq DESC LIMIT 1), 0))`

/** How many of the newest entries are kept in memory, for gateways that are a little behind and for bursts of subscribes. */
const recentEntries = 256

/** A conversation's log in its own SQLite, the only writer of it. One append is one row and one index entry. */
export class MessageLog implements Log {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #recent: LogRow[] = []
  #top: number
  #floor: number
  /** How many messages there are up to the top; undefined until it is read. */
  #number: number | undefined
  /** Undefined while entries of version 1 are written: then they are stored as they are. */
  readonly #texts: typeof entryTexts

  constructor(sql: SqlStorage, settings: Settings, exists: boolean, texts = entryTexts) {
    this.#texts = texts
    this.#sql = sql
    this.#settings = settings
    this.#floor = settings.number('floor') + 1
    this.#top = exists ? Number(sql.exec('SELECT coalesce(max(seq), 0) AS top FROM messages').one()['top']) : 0
  }

  top(): number {
    return this.#top
  }

  /** Returns the place of the first send if this is a repeat. The unique index finds it: a query first would cost every message a second statement. */
  append(row: LogRow, quiet = false, thread?: number): Place | undefined {
    const { seq, at, user, client, clientId, data } = row
    const number = this.number() + (clientId === null || quiet ? 0 : 1)
    try {
      this.#sql.exec(
        thread === undefined ? insertion : insertionOfReply,
        seq,
        at,
        user,
        client,
        clientId,
        this.#texts?.write(data) ?? data,
        number,
        ...(thread === undefined ? [] : [thread]),
      )
    } catch (thrown) {
      const known = clientId === null ? undefined : this.placeOf(user, clientId)
      if (known === undefined) throw thrown
      return known
    }
    this.#top = seq
    this.#number = number
    this.#recent.push(row)
    if (this.#recent.length > 2 * recentEntries) this.#recent.splice(0, recentEntries)
    return undefined
  }

  range(after: number, upTo: number, limit: number): LogRow[] {
    const first = this.#recent[0]
    if (after >= upTo) return []
    if (first !== undefined && first.seq <= after + 1) {
      const start = after + 1 - first.seq
      return this.#recent.slice(start, Math.min(start + limit, upTo - first.seq + 1))
    }
    const rows = this.rows('seq > ? AND seq <= ? AND data IS NOT NULL ORDER BY seq LIMIT ?', after, upTo, limit)
    this.#remember(rows)
    return rows
  }

  /** Keeps entries that were read up to the top without a gap: every client that opens the conversation asks for them. */
  #remember(rows: readonly LogRow[]): void {
    const isNewest = rows.at(-1)?.seq === this.#top && rows[0]?.seq === this.#top - rows.length + 1
    if (isNewest && rows.length > this.#recent.length)
      this.#recent.splice(0, this.#recent.length, ...rows.slice(-recentEntries))
  }

  floor(): number {
    return this.#floor
  }

  /** How many messages there are up to the top, deleted ones included. */
  number(): number {
    return (this.#number ??= messagesUpTo(this.#sql, this.#top))
  }

  /**
   * Makes the reply to a repeat as durable as that to a message: the first write may not be on the disk yet, and only a
   * write that changes something makes the answer wait for the disk. So repeats are counted.
   */
  confirm(): void {
    this.#settings.set('repeats', this.#settings.number('repeats') + 1)
  }

  /** Drops the data of entries up to `upTo`, which Postgres has. Their clientIds stay. */
  prune(upTo: number): void {
    const done = this.#settings.number('floor')
    if (upTo <= done) return
    this.#sql.exec('UPDATE messages SET data = NULL WHERE seq > ? AND seq <= ?', done, upTo)
    this.#settings.set('floor', upTo)
    this.#floor = upTo + 1
    this.#recent.length = 0
  }

  /** Drops everything but the top, so that no seq is used twice. Returns the top. */
  restart(): number {
    const top = this.#top
    if (top === 0) return 0
    this.#sql.exec('DELETE FROM messages WHERE seq < ?', top)
    this.#sql.exec('UPDATE messages SET client_id = NULL, data = NULL, number = 0, thread = NULL')
    this.#number = 0
    this.#settings.set('floor', top)
    this.#floor = top + 1
    this.#recent.length = 0
    return top
  }

  placeOf(author: string, clientId: string): Place | undefined {
    const known = this.#sql
      .exec<{ seq: number; at: number }>(
        'SELECT seq, at FROM messages WHERE user = ? AND client_id = ?',
        author,
        clientId,
      )
      .toArray()[0]
    if (known !== undefined) this.confirm()
    return known
  }

  /** Replaces a stored entry, in the table and in memory. */
  rewrite(row: LogRow): void {
    this.#sql.exec('UPDATE messages SET data = ? WHERE seq = ?', this.#texts?.write(row.data) ?? row.data, row.seq)
    const index = this.#recent.findIndex(({ seq }) => seq === row.seq)
    if (index >= 0) this.#recent[index] = row
  }

  /** The entries that a condition on the table `messages` selects. */
  rows(where: string, ...bindings: (number | string)[]): LogRow[] {
    return this.#sql
      .exec<Row>(`SELECT ${columns} FROM messages WHERE ${where}`, ...bindings)
      .toArray()
      .map(({ client_id, data, ...row }) => ({ ...row, clientId: client_id, data: this.#texts?.read(data) ?? data }))
  }
}

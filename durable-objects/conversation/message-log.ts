import type { Log, Place } from '../../src/conversations/ports.ts'
import type { LogRow, Target } from '../../src/conversations/types.ts'
import { tombstone, tombstoneOfEdit } from '../../src/events/tombstone.ts'
import type { Settings } from '../shared/settings.ts'

type Row = { seq: number; at: number; user: string; client: string; client_id: string | null; data: string }

const columns = 'seq, at, user, client, client_id, data'

/** How many of the newest entries are kept in memory, for gateways that are a little behind and for bursts of subscribes. */
const recentEntries = 256

/** How many entries that do not count as messages are listed at most, and among how many of the newest. */
const uncountedEntries = 500
const uncountedWithin = 10_000

/** A message as lists of conversations show it. */
export interface Preview {
  readonly seq: number
  readonly user: string
  readonly text: string
}

/** A conversation's log in its own SQLite, the only writer of it. One append is one row and one index entry. */
export class MessageLog implements Log {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #recent: LogRow[] = []
  #top: number
  #floor: number
  /** Whether any message was ever edited or deleted; undefined until it is read. */
  #isAmended: boolean | undefined
  /** The newest entries that do not count as messages; undefined until they are read. */
  #uncounted: number[] | undefined
  /** The newest message that is not deleted, null for none; undefined until it is read. */
  #newest: LogRow | null | undefined

  constructor(sql: SqlStorage, facts: Settings, exists: boolean) {
    this.#sql = sql
    this.#settings = facts
    this.#floor = facts.number('floor') + 1
    this.#top = exists ? Number(sql.exec('SELECT coalesce(max(seq), 0) AS top FROM messages').one()['top']) : 0
  }

  top(): number {
    return this.#top
  }

  /** Returns the place of the first send if this is a repeat. The unique index finds it: a query first would cost every message a second statement. */
  append(row: LogRow): Place | undefined {
    const { seq, at, user, client, clientId, data } = row
    try {
      this.#sql.exec(
        `INSERT INTO messages (${columns}) VALUES (?, ?, ?, ?, ?, ?)`,
        seq,
        at,
        user,
        client,
        clientId,
        data,
      )
    } catch (thrown) {
      const known = clientId === null ? undefined : this.#repeated(user, clientId)
      if (known === undefined) throw thrown
      return known
    }
    this.#top = seq
    if (clientId === null) this.#noteUncounted(seq)
    else this.#newest = row
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
    const rows = this.#rows('seq > ? AND seq <= ? AND data IS NOT NULL ORDER BY seq LIMIT ?', after, upTo, limit)
    this.#remember(rows)
    return rows
  }

  /** Keeps entries that were read up to the top without a gap: every client that opens the conversation asks for them. */
  #remember(rows: readonly LogRow[]): void {
    const isNewest = rows.at(-1)?.seq === this.#top && rows[0]?.seq === this.#top - rows.length + 1
    if (isNewest && rows.length > this.#recent.length)
      this.#recent.splice(0, this.#recent.length, ...rows.slice(-recentEntries))
  }

  before(before: number, limit: number): LogRow[] {
    return this.#rows('seq < ? AND data IS NOT NULL ORDER BY seq DESC LIMIT ?', before, limit)
  }

  floor(): number {
    return this.#floor
  }

  target(seq: number): Target | undefined {
    const row = this.#sql.exec('SELECT user, client_id FROM messages WHERE seq = ?', seq).toArray()[0]
    if (row === undefined) return undefined
    const amended = this.#sql
      .exec<{ text: string | null }>('SELECT text FROM amendments WHERE ref = ?', seq)
      .toArray()[0]
    return {
      kind: row['client_id'] === null ? 'other' : 'message',
      user: String(row['user']),
      deleted: amended?.text === null,
      text: amended?.text ?? undefined,
    }
  }

  amendment(ref: number): LogRow | undefined {
    const amends = `data LIKE '{"type":"message.%' AND json_extract(data, '$.ref') = ?`
    const after = Math.max(ref, this.floor() - 1)
    return this.#rows(`seq > ? AND client_id IS NULL AND ${amends} ORDER BY seq DESC LIMIT 1`, after, ref)[0]
  }

  /**
   * Makes the reply to a repeat as durable as that to a message: the first write may not be on the disk yet, and only a
   * write that changes something makes the answer wait for the disk. So repeats are counted.
   */
  confirm(): void {
    this.#settings.set('repeats', this.#settings.number('repeats') + 1)
  }

  amend(ref: number, text: string | null, at: number): void {
    this.#isAmended = true
    this.#sql.exec(
      'INSERT INTO amendments (ref, at, text) VALUES (?, ?, ?) ON CONFLICT (ref) DO UPDATE SET at = excluded.at, text = excluded.text',
      ref,
      at,
      text,
    )
    if (text === null) {
      this.#scrub(ref)
      this.#noteUncounted(ref)
    }
    if (text === null && this.#newest?.seq === ref) this.#newest = undefined
    const pruned = this.#prunedNewest()
    if (pruned?.seq === ref) this.#settings.set('newest', text === null ? '' : JSON.stringify({ ...pruned, text }))
  }

  /** Searched among the newest entries only: clients show larger unread counts as "many". */
  uncounted(): readonly number[] {
    this.#uncounted ??= this.#sql
      .exec<{ seq: number }>(
        `SELECT seq FROM (
           SELECT seq FROM messages WHERE client_id IS NULL AND seq > ?
           UNION SELECT ref AS seq FROM amendments WHERE text IS NULL AND ref > ?
         ) ORDER BY seq DESC LIMIT ?`,
        this.#top - uncountedWithin,
        this.#top - uncountedWithin,
        uncountedEntries,
      )
      .toArray()
      .map(({ seq }) => seq)
      .toReversed()
    return this.#uncounted
  }

  /** The newest message that is not deleted, with its newest text. Of messages that only Postgres has, the last one known. */
  newest(): Preview | null {
    if (this.#newest === undefined) this.#newest = this.#newestHeld() ?? null
    if (this.#newest === null) return this.#prunedNewest()
    const { seq, user, data } = this.#newest
    return { seq, user, text: this.target(seq)?.text ?? textOf(data) }
  }

  #newestHeld(): LogRow | undefined {
    const isLive = 'client_id IS NOT NULL AND seq NOT IN (SELECT ref FROM amendments WHERE text IS NULL)'
    return this.#rows(`seq >= ? AND data IS NOT NULL AND ${isLive} ORDER BY seq DESC LIMIT 1`, this.floor())[0]
  }

  #noteUncounted(seq: number): void {
    const known = this.#uncounted
    if (known === undefined || known.includes(seq)) return
    const place = known.findLastIndex((other) => other < seq) + 1
    this.#uncounted = known.toSpliced(place, 0, seq).slice(-uncountedEntries)
  }

  /** The newest message once only Postgres has its row. */
  #prunedNewest(): Preview | null {
    const text = this.#settings.get('newest') ?? ''
    if (text === '') return null
    const newest: Preview = JSON.parse(text)
    return newest
  }

  /** The amendments of messages in `first`…`last`: the new text, or null for a deleted message. */
  amendments(first: number, last: number): { ref: number; at: number; text: string | null }[] {
    this.#isAmended ??= this.#sql.exec('SELECT 1 FROM amendments LIMIT 1').toArray().length > 0
    if (!this.#isAmended) return []
    return this.#sql
      .exec<{ ref: number; at: number; text: string | null }>(
        'SELECT ref, at, text FROM amendments WHERE ref BETWEEN ? AND ?',
        first,
        last,
      )
      .toArray()
  }

  /** Drops the data of entries up to `upTo`, which Postgres has. Their clientIds stay. */
  prune(upTo: number): void {
    const done = this.#settings.number('floor')
    if (upTo <= done) return
    const newest = this.newest()
    this.#settings.set('newest', newest !== null && newest.seq <= upTo ? JSON.stringify(newest) : '')
    this.#sql.exec('UPDATE messages SET data = NULL WHERE seq > ? AND seq <= ?', done, upTo)
    this.#newest = undefined
    this.#settings.set('floor', upTo)
    this.#floor = upTo + 1
    this.#recent.length = 0
  }

  /** Drops everything but the top, so that no seq is used twice. Returns the top. */
  restart(): number {
    const top = this.#top
    if (top === 0) return 0
    this.#sql.exec('DELETE FROM messages WHERE seq < ?', top)
    this.#sql.exec('UPDATE messages SET client_id = NULL, data = NULL')
    this.#sql.exec('DELETE FROM amendments')
    this.#settings.set('floor', top)
    this.#floor = top + 1
    this.#settings.set('newest', '')
    this.#newest = undefined
    this.#uncounted = undefined
    this.#recent.length = 0
    return top
  }

  #repeated(author: string, clientId: string): Place | undefined {
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

  /** Removes the text of a deleted message and of its edits, in the table and in memory; the entries keep their places. */
  #scrub(ref: number): void {
    const row = this.range(ref - 1, ref, 1)[0]
    if (row !== undefined) this.#rewrite({ ...row, data: tombstone(row.data) })
    for (const edit of this.#editsOf(ref)) this.#rewrite({ ...edit, data: tombstoneOfEdit(edit.data) })
  }

  #editsOf(ref: number): LogRow[] {
    const edit = `data LIKE '{"type":"message.edited"%' AND json_extract(data, '$.ref') = ?`
    return this.#rows(`seq > ? AND client_id IS NULL AND ${edit} ORDER BY seq`, ref, ref)
  }

  #rewrite(row: LogRow): void {
    this.#sql.exec('UPDATE messages SET data = ? WHERE seq = ?', row.data, row.seq)
    const index = this.#recent.findIndex(({ seq }) => seq === row.seq)
    if (index >= 0) this.#recent[index] = row
  }

  #rows(where: string, ...bindings: number[]): LogRow[] {
    return this.#sql
      .exec<Row>(`SELECT ${columns} FROM messages WHERE ${where}`, ...bindings)
      .toArray()
      .map(toRow)
  }
}

const toRow = ({ client_id, ...row }: Row): LogRow => ({ ...row, clientId: client_id })

function textOf(data: string): string {
  const { text = '' }: { text?: string } = JSON.parse(data)
  return text
}

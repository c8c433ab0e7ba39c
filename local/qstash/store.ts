import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { z } from 'zod'
import { isDamage, setAside, sqliteCompanions } from '../set-aside.ts'
import { type Message, messageDetails } from './message.ts'
import type { Outcome } from './retry.ts'

/**
 * The tables. Files of earlier versions have further columns (`queue`, `flow_key`), which stay unused, and tables for
 * features that were removed, which are dropped.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, position INTEGER NOT NULL, retried INTEGER NOT NULL, due_at REAL NOT NULL,
    active INTEGER NOT NULL, details TEXT NOT NULL, body BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_due ON messages (due_at, position) WHERE active = 0;
  CREATE TABLE IF NOT EXISTS deduplications (
    key TEXT PRIMARY KEY, message_id TEXT NOT NULL, expires_at REAL NOT NULL);
  CREATE INDEX IF NOT EXISTS deduplications_by_expiry ON deduplications (expires_at);
  CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, url TEXT NOT NULL,
    details TEXT NOT NULL, body BLOB NOT NULL,
    status INTEGER, response_header TEXT NOT NULL, response_body BLOB NOT NULL);
  DROP INDEX IF EXISTS messages_free;
  DROP INDEX IF EXISTS messages_active;
  DROP INDEX IF EXISTS messages_in_queue;
  DROP INDEX IF EXISTS messages_in_flow;
  DROP TABLE IF EXISTS queues;
  DROP TABLE IF EXISTS flow_controls;
  DROP TABLE IF EXISTS url_groups;
  DROP TABLE IF EXISTS schedules;
  DROP TABLE IF EXISTS events;
  UPDATE messages SET active = 0 WHERE active = 1;
`

const jsonColumn = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)
const bytesColumn = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'not bytes')

const messageRow = z
  .object({
    id: z.string(),
    url: z.string(),
    retried: z.number(),
    due_at: z.number(),
    details: jsonColumn(messageDetails),
    body: bytesColumn,
  })
  .transform(({ due_at, ...row }): Message => ({ ...row, dueAt: due_at }))

const deadLetterRow = z.object({
  seq: z.number(),
  id: z.string(),
  message_id: z.string(),
  url: z.string(),
  details: jsonColumn(messageDetails),
  body: bytesColumn,
  /** Null when the destination did not answer. */
  status: z.number().nullable(),
  response_header: jsonColumn(z.record(z.string(), z.array(z.string()))),
  response_body: bytesColumn,
})

/** A message that is not tried again, with the last answer. */
export type DeadLetter = z.infer<typeof deadLetterRow>

const idRow = z.object({ id: z.string() })
const numberRow = z.object({ value: z.number().nullable() })

/**
 * All state, in one SQLite file. What was acknowledged survives the end of this process; `synchronous = NORMAL` gives up
 * only a power failure. A damaged file is set aside: the job queues keep every job and publish again.
 */
export function openStore(file: string): Store {
  try {
    return new Store(file)
  } catch (error) {
    if (!isDamage(error)) throw error
    console.error(`qstash: ${file} is damaged; starting empty, it is kept as ${setAside(file, sqliteCompanions)}`)
    return new Store(file)
  }
}

export class Store {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()
  #lastPosition: number

  /** Attempts that the last process did not finish are made again. */
  constructor(file: string) {
    this.#db = new DatabaseSync(file)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2000')
    this.#db.exec(schema)
    this.#lastPosition = this.#number('SELECT MAX(position) AS value FROM messages') ?? 0
  }

  close(): void {
    this.#db.close()
  }

  /** Runs `work` so that all of its writes happen or none. */
  atomically<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  addMessage({ id, url, retried, dueAt, details, body }: Message): void {
    this.#lastPosition += 1
    this.#prepare(
      `INSERT INTO messages (id, url, position, retried, due_at, active, details, body) VALUES (?, ?, ?, ?, ?, 0, ?, ?)`,
    ).run(id, url, this.#lastPosition, retried, dueAt, JSON.stringify(details), body)
  }

  message(id: string): Message | undefined {
    const row = this.#prepare('SELECT id, url, retried, due_at, details, body FROM messages WHERE id = ?').get(id)
    return row === undefined ? undefined : messageRow.parse(row)
  }

  /** Returns whether the message was still there. */
  removeMessage(id: string): boolean {
    return this.#prepare('DELETE FROM messages WHERE id = ?').run(id).changes !== 0
  }

  /** Marks at most `limit` due messages as started and returns their ids. */
  startDue(now: number, limit: number): string[] {
    const due = this.#prepare(
      'SELECT id FROM messages WHERE active = 0 AND due_at <= ? ORDER BY due_at, position LIMIT ?',
    )
    const ids = due.all(now, limit).map((row) => idRow.parse(row).id)
    for (const id of ids) this.#prepare('UPDATE messages SET active = 1 WHERE id = ?').run(id)
    return ids
  }

  /** When the next message after `now` is due; Infinity without one. */
  nextDue(now: number): number {
    const next = 'SELECT MIN(due_at) AS value FROM messages WHERE active = 0 AND due_at > ?'
    return this.#number(next, now) ?? Infinity
  }

  retryAt(id: string, retried: number, dueAt: number): void {
    this.#prepare('UPDATE messages SET active = 0, retried = ?, due_at = ? WHERE id = ?').run(retried, dueAt, id)
  }

  /** The message that was published under a deduplication key within the window. */
  published(key: string, now: number): string | undefined {
    this.#prepare('DELETE FROM deduplications WHERE expires_at <= ?').run(now)
    const row = this.#prepare('SELECT message_id AS id FROM deduplications WHERE key = ?').get(key)
    return row === undefined ? undefined : idRow.parse(row).id
  }

  rememberPublished(key: string, messageId: string, expiresAt: number): void {
    this.#prepare('INSERT OR REPLACE INTO deduplications (key, message_id, expires_at) VALUES (?, ?, ?)').run(
      key,
      messageId,
      expiresAt,
    )
  }

  /** Returns the id of the dead letter, in the form `<unix ms>-<n>`. */
  addDeadLetter({ id: messageId, url, details, body }: Message, outcome: Outcome, now: number): string {
    const answered = outcome.kind === 'answered'
    const insert = this.#prepare(
      `INSERT INTO dead_letters (id, message_id, url, details, body, status, response_header, response_body)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    const { lastInsertRowid } = insert.run(
      messageId,
      messageId,
      url,
      JSON.stringify(details),
      body,
      answered ? outcome.status : null,
      JSON.stringify(answered ? outcome.header : {}),
      answered ? outcome.body : Buffer.from(outcome.error),
    )
    const id = `${now}-${lastInsertRowid}`
    this.#prepare('UPDATE dead_letters SET id = ? WHERE seq = ?').run(id, lastInsertRowid)
    return id
  }

  /** The dead letters before `cursor`, newest first. */
  *deadLettersBefore(cursor: number): Generator<DeadLetter> {
    const select = this.#prepare(
      `SELECT seq, id, message_id, url, details, body, status, response_header, response_body
       FROM dead_letters WHERE seq < ? ORDER BY seq DESC`,
    )
    for (const row of select.iterate(cursor)) yield deadLetterRow.parse(row)
  }

  /** Returns whether the dead letter was still there. */
  removeDeadLetter(id: string): boolean {
    return this.#prepare('DELETE FROM dead_letters WHERE id = ?').run(id).changes !== 0
  }

  #number(sql: string, ...values: number[]): number | undefined {
    return numberRow.parse(this.#prepare(sql).get(...values)).value ?? undefined
  }

  /** Each statement is prepared once: thousands of deliveries would leave thousands of them to the collector. */
  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql) ?? this.#db.prepare(sql)
    this.#prepared.set(sql, known)
    return known
  }
}

import { z } from 'zod'
import { type Message, messageDetails } from '../model.ts'
import { bytesColumn, flagColumn, jsonColumn, type Database } from './database.ts'

const columns = 'id, url, queue, position, retried, due_at, details, body'

const messageRow = z
  .object({
    id: z.string(),
    url: z.string(),
    queue: z.string().nullable(),
    position: z.number(),
    retried: z.number(),
    due_at: z.number(),
    details: jsonColumn(messageDetails),
    body: bytesColumn,
  })
  .transform(({ due_at, ...row }): Message => ({ ...row, dueAt: due_at }))

const headRow = z
  .object({ id: z.string(), active: flagColumn, due_at: z.number(), flow_key: z.string().nullable() })
  .transform(({ due_at, flow_key, ...row }) => ({ ...row, dueAt: due_at, flowKey: flow_key }))

/** One of the messages at the front of a queue. */
export type QueueHead = z.infer<typeof headRow>

const idRow = z.object({ id: z.string() })
const numberRow = z.object({ value: z.number().nullable() })

/** Messages not yet delivered, failed or cancelled; `active` while an attempt is under way. */
export class Messages {
  readonly #db: Database
  #lastPosition: number

  /** Attempts under way when the last process ended are forgotten, so that they are made again. */
  constructor(db: Database) {
    this.#db = db
    db.exec('UPDATE messages SET active = 0 WHERE active = 1')
    this.#lastPosition = this.#number('SELECT MAX(position) AS value FROM messages') ?? 0
  }

  /** A place behind every message there is. */
  nextPosition(): number {
    this.#lastPosition += 1
    return this.#lastPosition
  }

  add(message: Message): void {
    const { id, url, queue, position, retried, dueAt, details, body } = message
    this.#db
      .prepare(
        `INSERT INTO messages (id, url, queue, flow_key, position, retried, due_at, active, details, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
      )
      .run(id, url, queue, details.flow?.key ?? null, position, retried, dueAt, JSON.stringify(details), body)
  }

  get(id: string): Message | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM messages WHERE id = ?`).get(id)
    return row === undefined ? undefined : messageRow.parse(row)
  }

  /** Every message, oldest first. */
  *all(): Generator<Message> {
    for (const row of this.#db.prepare(`SELECT ${columns} FROM messages ORDER BY position`).iterate()) {
      yield messageRow.parse(row)
    }
  }

  /** Says whether the message was still there. */
  remove(id: string): boolean {
    return this.#db.prepare('DELETE FROM messages WHERE id = ?').run(id).changes !== 0
  }

  removeQueue(queue: string): void {
    this.#db.prepare('DELETE FROM messages WHERE queue = ?').run(queue)
  }

  start(id: string): void {
    this.#db.prepare('UPDATE messages SET active = 1 WHERE id = ?').run(id)
  }

  retryAt(id: string, retried: number, dueAt: number): void {
    this.#db.prepare('UPDATE messages SET active = 0, retried = ?, due_at = ? WHERE id = ?').run(retried, dueAt, id)
  }

  /** Due messages that neither a queue nor a flow control holds back. */
  dueFree(now: number, limit: number): string[] {
    const rows = this.#db
      .prepare(
        `SELECT id FROM messages WHERE active = 0 AND queue IS NULL AND flow_key IS NULL AND due_at <= ?
         ORDER BY due_at, position LIMIT ?`,
      )
      .all(now, limit)
    return rows.map((row) => idRow.parse(row).id)
  }

  nextFree(now: number): number | undefined {
    return this.#number(
      `SELECT MIN(due_at) AS value FROM messages
       WHERE active = 0 AND queue IS NULL AND flow_key IS NULL AND due_at > ?`,
      now,
    )
  }

  /** The messages that occupy a queue's `parallelism` slots; the others wait behind them. */
  heads(queue: string, parallelism: number): QueueHead[] {
    const rows = this.#db
      .prepare('SELECT id, active, due_at, flow_key FROM messages WHERE queue = ? ORDER BY position LIMIT ?')
      .all(queue, parallelism)
    return rows.map((row) => headRow.parse(row))
  }

  dueInFlow(key: string, now: number, limit: number): string[] {
    const rows = this.#db
      .prepare(
        `SELECT id FROM messages WHERE active = 0 AND queue IS NULL AND flow_key = ? AND due_at <= ?
         ORDER BY due_at, position LIMIT ?`,
      )
      .all(key, now, limit)
    return rows.map((row) => idRow.parse(row).id)
  }

  nextInFlow(key: string, now: number): number | undefined {
    return this.#number(
      `SELECT MIN(due_at) AS value FROM messages
       WHERE active = 0 AND queue IS NULL AND flow_key = ? AND due_at > ?`,
      key,
      now,
    )
  }

  /** Messages of a queue that are not through yet. */
  lag(queue: string): number {
    return this.#number('SELECT COUNT(*) AS value FROM messages WHERE queue = ?', queue) ?? 0
  }

  activeInFlow(key: string): number {
    return this.#number('SELECT COUNT(*) AS value FROM messages WHERE active = 1 AND flow_key = ?', key) ?? 0
  }

  waitingInFlow(key: string, now: number): number {
    return (
      this.#number(
        'SELECT COUNT(*) AS value FROM messages WHERE active = 0 AND flow_key = ? AND due_at <= ?',
        key,
        now,
      ) ?? 0
    )
  }

  active(): number {
    return this.#number('SELECT COUNT(*) AS value FROM messages WHERE active = 1') ?? 0
  }

  #number(sql: string, ...values: (string | number)[]): number | undefined {
    return numberRow.parse(this.#db.prepare(sql).get(...values)).value ?? undefined
  }
}

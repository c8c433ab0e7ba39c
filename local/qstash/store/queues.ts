import { z } from 'zod'
import { flagColumn, type Database } from './database.ts'

const columns = 'name, parallelism, paused, created_at, updated_at'

const queueRow = z
  .object({
    name: z.string(),
    parallelism: z.number(),
    paused: flagColumn,
    created_at: z.number(),
    updated_at: z.number(),
  })
  .transform(({ created_at, updated_at, ...row }) => ({ ...row, createdAt: created_at, updatedAt: updated_at }))

/** A queue as stored: times in unix milliseconds. */
export type Queue = z.infer<typeof queueRow>

/** Queues: how many of a line's messages may be under way at once, and whether it stands still. */
export class Queues {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Makes sure the queue exists; a new one takes its messages one at a time. */
  ensure(name: string, now: number): void {
    this.#db
      .prepare(`INSERT INTO queues (${columns}) VALUES (?, 1, 0, ?, ?) ON CONFLICT DO NOTHING`)
      .run(name, now, now)
  }

  upsert({ name, parallelism, paused }: { name: string; parallelism: number; paused: boolean }, now: number): void {
    this.#db
      .prepare(
        `INSERT INTO queues (${columns}) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET parallelism = excluded.parallelism, paused = excluded.paused,
           updated_at = excluded.updated_at`,
      )
      .run(name, parallelism, Number(paused), now, now)
  }

  get(name: string): Queue | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM queues WHERE name = ?`).get(name)
    return row === undefined ? undefined : queueRow.parse(row)
  }

  all(): Queue[] {
    const rows = this.#db.prepare(`SELECT ${columns} FROM queues ORDER BY name`).all()
    return rows.map((row) => queueRow.parse(row))
  }

  /** Queues that have messages and are not paused. */
  moving(): Queue[] {
    const rows = this.#db
      .prepare(
        `SELECT ${columns} FROM queues
         WHERE paused = 0 AND EXISTS (SELECT 1 FROM messages WHERE queue = queues.name)`,
      )
      .all()
    return rows.map((row) => queueRow.parse(row))
  }

  setPaused(name: string, paused: boolean, now: number): void {
    this.#db.prepare('UPDATE queues SET paused = ?, updated_at = ? WHERE name = ?').run(Number(paused), now, name)
  }

  remove(name: string): void {
    this.#db.prepare('DELETE FROM queues WHERE name = ?').run(name)
  }
}

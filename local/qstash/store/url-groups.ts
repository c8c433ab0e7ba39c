import { z } from 'zod'
import { endpoint, type Endpoint } from '../model.ts'
import { jsonColumn, type Database } from './database.ts'

const columns = 'name, endpoints, created_at, updated_at'

const groupRow = z
  .object({
    name: z.string(),
    endpoints: jsonColumn(z.array(endpoint)),
    created_at: z.number(),
    updated_at: z.number(),
  })
  .transform(({ created_at, updated_at, ...row }) => ({ ...row, createdAt: created_at, updatedAt: updated_at }))

/** A URL group as stored: times in unix milliseconds. */
export type UrlGroup = z.infer<typeof groupRow>

/** URL groups, which the wire calls topics: one publish, one message to each endpoint. */
export class UrlGroups {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(name: string): UrlGroup | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM url_groups WHERE name = ?`).get(name)
    return row === undefined ? undefined : groupRow.parse(row)
  }

  all(): UrlGroup[] {
    const rows = this.#db.prepare(`SELECT ${columns} FROM url_groups ORDER BY name`).all()
    return rows.map((row) => groupRow.parse(row))
  }

  put(name: string, endpoints: Endpoint[], now: number): void {
    this.#db
      .prepare(
        `INSERT INTO url_groups (${columns}) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET endpoints = excluded.endpoints, updated_at = excluded.updated_at`,
      )
      .run(name, JSON.stringify(endpoints), now, now)
  }

  remove(name: string): void {
    this.#db.prepare('DELETE FROM url_groups WHERE name = ?').run(name)
  }
}

import { z } from 'zod'
import type { Database } from './database.ts'

const keptRow = z.object({ message_id: z.string() })

/** What was published lately, by deduplication key. */
export class Deduplications {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The message published under `key` within the window, if any. */
  find(key: string, now: number): string | undefined {
    this.#db.prepare('DELETE FROM deduplications WHERE expires_at <= ?').run(now)
    const row = this.#db.prepare('SELECT message_id FROM deduplications WHERE key = ?').get(key)
    return row === undefined ? undefined : keptRow.parse(row).message_id
  }

  remember(key: string, messageId: string, expiresAt: number): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO deduplications (key, message_id, expires_at) VALUES (?, ?, ?)')
      .run(key, messageId, expiresAt)
  }
}

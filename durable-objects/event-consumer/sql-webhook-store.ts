import { z } from 'zod'
import type { Health } from '../../src/event-log/webhooks/health.ts'
import type {
  DeliveryState,
  LoggedAttempt,
  LoggedDelivery,
  WebhookStore,
} from '../../src/event-log/webhooks/webhook.ts'
import type { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'

/** Rows of events that failed at least once, and of those that did not, at most. */
const maxRows = 1000
/** Rows over that before the oldest are deleted: they go together. */
const slack = 100
/** For how long a delivery is listed, in milliseconds: as long as its event is kept. */
const shownMs = 14 * 86_400_000

const storedHealth: z.ZodType<Health> = z.object({
  state: z.enum(['active', 'failing', 'disabled']),
  since: z.number(),
  reason: z.string().nullable(),
})

/** How a webhook's endpoint does, and its log of deliveries, in the actor's SQLite. */
export class SqlWebhookStore implements WebhookStore {
  readonly #sql: Sql
  readonly #settings: Settings
  /** Rows of events that failed, and of others; undefined until they are counted. */
  readonly #rows: [number | undefined, number | undefined] = [undefined, undefined]

  constructor(sql: Sql, settings: Settings) {
    this.#sql = sql
    this.#settings = settings
  }

  get health(): Health {
    const text = this.#settings.get('health')
    return text === undefined
      ? { state: 'active', since: this.#settings.number('createdAt'), reason: null }
      : storedHealth.parse(JSON.parse(text))
  }

  set health(health: Health) {
    this.#settings.set('health', JSON.stringify(health))
  }

  log({ event, at, state, status, reason, answer, durationMs }: LoggedAttempt, makes: boolean): boolean {
    const { offset, source, id, type } = event
    const failed = state === 'delivered' ? 0 : 1
    const found = this.#sql
      .exec(
        `UPDATE deliveries SET at = ?, attempts = attempts + 1, state = ?, status = ?, reason = ?, answer = ?, duration_ms = ?
         WHERE offset = ? RETURNING 1`,
        at,
        state,
        status,
        reason,
        answer,
        durationMs,
        offset,
      )
      .toArray()
    if (found.length > 0) return true
    if (!makes) return false
    const rows = this.#count(failed)
    this.#sql.exec(
      `INSERT INTO deliveries (offset, source, id, type, first_at, at, attempts, state, status, reason, answer, duration_ms, failed)
       VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)`,
      offset,
      source,
      id,
      type,
      at,
      at,
      state,
      status,
      reason,
      answer,
      durationMs,
      failed,
    )
    this.#rows[failed] = rows + 1
    if (rows + 1 > maxRows + slack) this.#trim(failed)
    return true
  }

  /** Deliveries below an offset, the newest events first. */
  deliveries(below: number, limit: number, state: DeliveryState | undefined, now: number): LoggedDelivery[] {
    return this.#sql
      .exec<{ [K in keyof LoggedDelivery]: LoggedDelivery[K] }>(
        `SELECT offset, source, id, type, state, attempts, first_at AS firstAt, at, status, reason, answer, duration_ms AS durationMs
         FROM deliveries WHERE offset < ?1 AND at > ?2 AND (?3 = '' OR state = ?3) ORDER BY offset DESC LIMIT ?4`,
        below,
        now - shownMs,
        state ?? '',
        limit,
      )
      .toArray()
  }

  #count(failed: 0 | 1): number {
    return (this.#rows[failed] ??= this.#sql
      .exec<{ n: number }>('SELECT count(*) AS n FROM deliveries WHERE failed = ?', failed)
      .one().n)
  }

  #trim(failed: 0 | 1): void {
    this.#sql.exec(
      `DELETE FROM deliveries WHERE offset IN (
         SELECT offset FROM deliveries WHERE failed = ? ORDER BY offset LIMIT ?)`,
      failed,
      this.#count(failed) - maxRows,
    )
    this.#rows[failed] = maxRows
  }
}

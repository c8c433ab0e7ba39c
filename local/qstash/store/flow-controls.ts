import { z } from 'zod'
import { flagColumn, type Database } from './database.ts'

const columns = 'key, parallelism, rate, period_ms, paused, pinned_parallelism, pinned_rate, period_start, rate_count'

const flowRow = z
  .object({
    key: z.string(),
    parallelism: z.number().nullable(),
    rate: z.number().nullable(),
    period_ms: z.number(),
    paused: flagColumn,
    pinned_parallelism: flagColumn,
    pinned_rate: flagColumn,
    period_start: z.number(),
    rate_count: z.number(),
  })
  .transform((row) => ({
    key: row.key,
    /** Deliveries under way at once; null is no limit. */
    parallelism: row.parallelism,
    /** Deliveries begun per period; null is no limit. */
    rate: row.rate,
    periodMs: row.period_ms,
    paused: row.paused,
    pinnedParallelism: row.pinned_parallelism,
    pinnedRate: row.pinned_rate,
    /** Unix milliseconds at which the running period began. */
    periodStart: row.period_start,
    /** Deliveries begun in it. */
    rateCount: row.rate_count,
  }))

/** A flow-control key with its limits and the state of its running period. */
export type FlowControl = z.infer<typeof flowRow>

/** Flow-control keys. Each is read, changed as a value, and stored whole. */
export class FlowControls {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The key's state; an unlimited one for a key never seen. */
  getOrNew(key: string): FlowControl {
    return this.get(key) ?? { ...unlimited, key }
  }

  get(key: string): FlowControl | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM flow_controls WHERE key = ?`).get(key)
    return row === undefined ? undefined : flowRow.parse(row)
  }

  all(): FlowControl[] {
    const rows = this.#db.prepare(`SELECT ${columns} FROM flow_controls ORDER BY key`).all()
    return rows.map((row) => flowRow.parse(row))
  }

  /** Keys that have messages outside of queues waiting, and are not paused. */
  moving(): FlowControl[] {
    const rows = this.#db
      .prepare(
        `SELECT ${columns} FROM flow_controls
         WHERE paused = 0 AND EXISTS (
           SELECT 1 FROM messages WHERE active = 0 AND queue IS NULL AND flow_key = flow_controls.key)`,
      )
      .all()
    return rows.map((row) => flowRow.parse(row))
  }

  put(flow: FlowControl): void {
    this.#db
      .prepare(`INSERT OR REPLACE INTO flow_controls (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(
        flow.key,
        flow.parallelism,
        flow.rate,
        flow.periodMs,
        Number(flow.paused),
        Number(flow.pinnedParallelism),
        Number(flow.pinnedRate),
        flow.periodStart,
        flow.rateCount,
      )
  }
}

const unlimited: Omit<FlowControl, 'key'> = {
  parallelism: null,
  rate: null,
  periodMs: 1000,
  paused: false,
  pinnedParallelism: false,
  pinnedRate: false,
  periodStart: 0,
  rateCount: 0,
}

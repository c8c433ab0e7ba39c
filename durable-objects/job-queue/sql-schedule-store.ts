import { z } from 'zod'
import type { Schedule, ScheduleStore, ScheduleUsage } from '../../src/jobs/schedules/schedule.ts'
import { byteLength } from '../../src/kernel/text.ts'
import type { Sql } from '../shared/sql.ts'

/** The schedules of one queue. */
export class SqlScheduleStore implements ScheduleStore {
  readonly #sql: Sql
  next: number | undefined
  /** Read when first asked for, and kept up to date from then on. */
  #usage: ScheduleUsage | undefined

  constructor(sql: Sql) {
    this.#sql = sql
    this.next = this.#findNext()
  }

  get(name: string): Schedule | undefined {
    return this.#select('WHERE name = ?', name)[0]
  }

  after(name: string, limit: number): Schedule[] {
    const sql = `SELECT json_set(spec, '$.job.payload', '') AS spec FROM schedules WHERE name > ? ORDER BY name LIMIT ?`
    return this.#sql
      .exec<{ spec: string }>(sql, name, limit)
      .toArray()
      .map(({ spec }) => readSchedule(spec))
  }

  due(now: number, limit: number): Schedule[] {
    if (this.next === undefined || this.next > now) return []
    return this.#select('WHERE next_at <= ? ORDER BY next_at, name LIMIT ?', now, limit)
  }

  put(schedule: Schedule): void {
    const spec = JSON.stringify(schedule)
    this.#countBytes(schedule.name, byteLength(spec))
    const sql = 'INSERT OR REPLACE INTO schedules (name, next_at, spec) VALUES (?, ?, ?)'
    this.#sql.exec(sql, schedule.name, schedule.paused ? null : schedule.nextAt, spec)
    this.next = this.#findNext()
  }

  remove(name: string): boolean {
    this.#countBytes(name, undefined)
    const removed = this.#sql.exec('DELETE FROM schedules WHERE name = ? RETURNING name', name).toArray()
    this.next = this.#findNext()
    return removed.length > 0
  }

  usage(): ScheduleUsage {
    this.#usage ??= this.#sql
      .exec<{ schedules: number; bytes: number }>(
        'SELECT count(*) AS schedules, coalesce(sum(length(CAST(spec AS BLOB))), 0) AS bytes FROM schedules',
      )
      .one()
    return this.#usage
  }

  bytesOf(name: string): number | undefined {
    const sql = 'SELECT length(CAST(spec AS BLOB)) AS bytes FROM schedules WHERE name = ?'
    return this.#sql.exec<{ bytes: number }>(sql, name).toArray()[0]?.bytes
  }

  /** Keeps the usage up to date when a schedule is stored with `bytes`, or removed when they are undefined. */
  #countBytes(name: string, bytes: number | undefined): void {
    if (this.#usage === undefined) return
    const before = this.bytesOf(name)
    this.#usage = {
      schedules: this.#usage.schedules + (bytes === undefined ? 0 : 1) - (before === undefined ? 0 : 1),
      bytes: this.#usage.bytes + (bytes ?? 0) - (before ?? 0),
    }
  }

  #findNext(): number | undefined {
    const sql = 'SELECT next_at FROM schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1'
    return this.#sql.exec<{ next_at: number }>(sql).toArray()[0]?.next_at
  }

  #select(where: string, ...bindings: (string | number)[]): Schedule[] {
    return this.#sql
      .exec<{ spec: string }>(`SELECT spec FROM schedules ${where}`, ...bindings)
      .toArray()
      .map(({ spec }) => readSchedule(spec))
  }
}

const storedSchedule = z.object({
  name: z.string(),
  when: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('cron'),
      cron: z.string(),
      timeZone: z.string(),
      gap: z.enum(['skip', 'shift']),
      overlap: z.enum(['first', 'both']),
    }),
    z.object({ kind: z.literal('every'), seconds: z.number(), from: z.number() }),
  ]),
  catchUp: z.enum(['none', 'last', 'all']),
  job: z.looseObject({ type: z.string(), payload: z.string() }),
  paused: z.boolean(),
  madeAt: z.number(),
  nextAt: z.number().nullable(),
  lastAt: z.number().nullable(),
  note: z.string(),
})

function readSchedule(text: string): Schedule {
  const { job, ...rest } = storedSchedule.parse(JSON.parse(text))
  const { type, payload, ...options } = job
  return { ...rest, job: { ...options, type, payload } }
}

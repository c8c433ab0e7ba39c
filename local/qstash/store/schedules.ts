import { z } from 'zod'
import { publishOptions } from '../model.ts'
import { bytesColumn, flagColumn, jsonColumn, type Database } from './database.ts'

const columns =
  'id, cron, destination, queue, options, body, caller_ip, paused, created_at, last_at, last_states, next_at, due_at'

const states = z.record(z.string(), z.enum(['IN_PROGRESS', 'SUCCESS', 'FAIL']))

const scheduleRow = z
  .object({
    id: z.string(),
    cron: z.string(),
    destination: z.string(),
    queue: z.string().nullable(),
    options: jsonColumn(publishOptions),
    body: bytesColumn,
    caller_ip: z.string(),
    paused: flagColumn,
    created_at: z.number(),
    last_at: z.number().nullable(),
    last_states: jsonColumn(states),
    next_at: z.number().nullable(),
    due_at: z.number().nullable(),
  })
  .transform(({ caller_ip, created_at, last_at, last_states, next_at, due_at, ...row }) => ({
    ...row,
    callerIp: caller_ip,
    createdAt: created_at,
    /** The cron instant that fired last. */
    lastAt: last_at,
    /** What became of the messages of that firing, by message id. */
    lastStates: last_states,
    /** The cron instant that comes next; null when there is none any more. */
    nextAt: next_at,
    /** When that instant comes on this machine: the same, unless time is scaled. */
    dueAt: due_at,
  }))

/** A schedule as stored: times in unix milliseconds. */
export type Schedule = z.infer<typeof scheduleRow>

/** Schedules. Each is read, changed as a value, and stored whole. */
export class Schedules {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(id: string): Schedule | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM schedules WHERE id = ?`).get(id)
    return row === undefined ? undefined : scheduleRow.parse(row)
  }

  all(): Schedule[] {
    const rows = this.#db.prepare(`SELECT ${columns} FROM schedules ORDER BY created_at, id`).all()
    return rows.map((row) => scheduleRow.parse(row))
  }

  due(now: number): Schedule[] {
    const rows = this.#db.prepare(`SELECT ${columns} FROM schedules WHERE paused = 0 AND due_at <= ?`).all(now)
    return rows.map((row) => scheduleRow.parse(row))
  }

  nextDue(): number | undefined {
    const row = this.#db.prepare('SELECT MIN(due_at) AS value FROM schedules WHERE paused = 0').get()
    return z.object({ value: z.number().nullable() }).parse(row).value ?? undefined
  }

  put(schedule: Schedule): void {
    this.#db
      .prepare(`INSERT OR REPLACE INTO schedules (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(
        schedule.id,
        schedule.cron,
        schedule.destination,
        schedule.queue,
        JSON.stringify(schedule.options),
        schedule.body,
        schedule.callerIp,
        Number(schedule.paused),
        schedule.createdAt,
        schedule.lastAt,
        JSON.stringify(schedule.lastStates),
        schedule.nextAt,
        schedule.dueAt,
      )
  }

  remove(id: string): void {
    this.#db.prepare('DELETE FROM schedules WHERE id = ?').run(id)
  }
}

import { refuseUsage } from '../../src/jobs/schedules/schedule-limits.ts'
import type { ScheduleUsage } from '../../src/jobs/schedules/schedule.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import type { Sql } from '../shared/sql.ts'

/** The usage of a tenant's schedules by queue: kept by its queue `default`, claimed by each queue. */
export class ScheduleShares {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Notes the usage of a queue, or refuses it when the tenant's queues would exceed the limit together. */
  claim(queue: string, before: ScheduleUsage, after: ScheduleUsage): Refusal | undefined {
    const others = this.#sql
      .exec<{ schedules: number; bytes: number }>(
        'SELECT coalesce(sum(schedules), 0) AS schedules, coalesce(sum(bytes), 0) AS bytes FROM schedule_shares WHERE queue != ?',
        queue,
      )
      .one()
    const refused = refuseUsage(before, after, others)
    if (refused === undefined)
      this.#sql.exec(
        'INSERT OR REPLACE INTO schedule_shares (queue, schedules, bytes) VALUES (?, ?, ?)',
        queue,
        after.schedules,
        after.bytes,
      )
    return refused
  }
}

import { refuseShare, type ScheduleShare } from '../../src/jobs/schedules/schedule-share.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import type { Sql } from '../shared/sql.ts'

/** How a tenant's schedules are spread over its queues: kept by its queue `default`, reported by each queue. */
export class ScheduleShares {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Notes what a queue's schedules come to, or refuses it as more than the tenant may have. */
  claim(queue: string, before: ScheduleShare, after: ScheduleShare): Refusal | undefined {
    const others = this.#sql
      .exec<{ schedules: number; bytes: number }>(
        'SELECT coalesce(sum(schedules), 0) AS schedules, coalesce(sum(bytes), 0) AS bytes FROM schedule_shares WHERE queue != ?',
        queue,
      )
      .one()
    const refused = refuseShare(before, after, others)
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

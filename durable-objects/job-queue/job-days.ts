import { dayOf, nextDay, startOfDay } from '../../src/kernel/day.ts'
import type { SqlJobStore } from './sql-job-store.ts'
import type { Sql } from '../shared/sql.ts'

/** Days that are kept. */
const maxDays = 40

/**
 * How many jobs a queue accepted on each day (UTC). Every job has its own `seq`, in order, so that the jobs of a day are the
 * difference of the `seq` at its beginning and at the next one's: one row a day, and none per job.
 */
export class JobDays {
  readonly #sql: Sql
  readonly #jobs: SqlJobStore

  constructor(sql: Sql, jobs: SqlJobStore) {
    this.#sql = sql
    this.#jobs = jobs
  }

  /**
   * Notes the `seq` at which each day began, up to now. Called before jobs are deleted, while all jobs since the last call
   * are still there.
   */
  note(now: number): void {
    const today = dayOf(now)
    const newest = this.#beginnings().at(-1)
    let day = newest === undefined ? today : nextDay(newest.day)
    let seq = this.#noted()
    for (let days = 0; day <= today && days < maxDays; days++, day = nextDay(day)) {
      seq = Math.max(seq, this.#topBefore(startOfDay(day)))
      this.#sql.exec('INSERT OR IGNORE INTO days (day, place) VALUES (?, ?)', day, seq)
    }
    if (this.#jobs.top > this.#noted())
      this.#sql.exec('INSERT OR REPLACE INTO days (day, place) VALUES (?, ?)', 'noted', this.#jobs.top)
    this.#sql.exec(`DELETE FROM days WHERE day NOT IN (SELECT day FROM days ORDER BY day DESC LIMIT ${maxDays + 1})`)
  }

  /** Jobs by day, from `day` on. */
  since(day: string): Record<string, number> {
    const beginnings = this.#beginnings()
    return Object.fromEntries(
      beginnings.flatMap((begin, n) => {
        const jobs = (beginnings[n + 1]?.place ?? this.#jobs.top) - begin.place
        return begin.day >= day && jobs > 0 ? [[begin.day, jobs]] : []
      }),
    )
  }

  /** The highest `seq` among the jobs kept that were added before a time. */
  #topBefore(time: number): number {
    const sql = 'SELECT seq FROM jobs WHERE made_at < ? ORDER BY seq DESC LIMIT 1'
    return this.#sql.exec<{ seq: number }>(sql, time).toArray()[0]?.seq ?? 0
  }

  /** The highest `seq` at the last call. */
  #noted(): number {
    return this.#sql.exec<{ place: number }>(`SELECT place FROM days WHERE day = 'noted'`).toArray()[0]?.place ?? 0
  }

  #beginnings(): { readonly day: string; readonly place: number }[] {
    return this.#sql
      .exec<{ day: string; place: number }>(`SELECT day, place FROM days WHERE day <> 'noted' ORDER BY day`)
      .toArray()
  }
}

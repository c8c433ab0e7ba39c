import { dayOf, nextDay, startOfDay } from '../../src/kernel/day.ts'
import type { JobTable } from './job-table.ts'
import type { Sql } from '../shared/sql.ts'

/** Days whose beginnings are kept. */
const maxDays = 40

/**
 * How many jobs a queue accepted on each day (UTC). Places are given in order and never twice, so a day's jobs are as many as
 * places lie between its beginning and the next: one row a day, and none per job.
 */
export class JobDays {
  readonly #sql: Sql
  readonly #jobs: JobTable

  constructor(sql: Sql, jobs: JobTable) {
    this.#sql = sql
    this.#jobs = jobs
  }

  /**
   * Notes where days began, up to now. To be called before jobs are forgotten: a midnight since the last time lies behind all
   * that was there then, and between jobs that are all still there.
   */
  note(now: number): void {
    const today = dayOf(now)
    const newest = this.#beginnings().at(-1)
    let day = newest === undefined ? today : nextDay(newest.day)
    let place = this.#noted()
    for (let days = 0; day <= today && days < maxDays; days++, day = nextDay(day)) {
      place = Math.max(place, this.#jobs.placeAt(startOfDay(day)))
      this.#sql.exec('INSERT OR IGNORE INTO days (day, place) VALUES (?, ?)', day, place)
    }
    if (this.#jobs.top > this.#noted())
      this.#sql.exec('INSERT OR REPLACE INTO days (day, place) VALUES (?, ?)', 'noted', this.#jobs.top)
    this.#sql.exec(`DELETE FROM days WHERE day NOT IN (SELECT day FROM days ORDER BY day DESC LIMIT ${maxDays + 1})`)
  }

  /** Jobs by day, from a day on. */
  since(day: string): Record<string, number> {
    const beginnings = this.#beginnings()
    return Object.fromEntries(
      beginnings.flatMap((begin, n) => {
        const jobs = (beginnings[n + 1]?.place ?? this.#jobs.top) - begin.place
        return begin.day >= day && jobs > 0 ? [[begin.day, jobs]] : []
      }),
    )
  }

  /** The last place when it was noted last. */
  #noted(): number {
    return this.#sql.exec<{ place: number }>(`SELECT place FROM days WHERE day = 'noted'`).toArray()[0]?.place ?? 0
  }

  #beginnings(): { readonly day: string; readonly place: number }[] {
    return this.#sql
      .exec<{ day: string; place: number }>(`SELECT day, place FROM days WHERE day <> 'noted' ORDER BY day`)
      .toArray()
  }
}

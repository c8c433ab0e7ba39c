import { expect, test } from 'vitest'
import { openStores } from '../../durable-objects/job-queue/sql-stores.ts'
import { JobDays } from '../../durable-objects/job-queue/job-days.ts'
import { enqueue } from '../../src/jobs/queue/enqueue.ts'
import { dayOf } from '../../src/kernel/day.ts'
import { NodeSql } from './support/node-sql.ts'

const hourMs = 3_600_000
const start = Date.UTC(2026, 10, 22)

/** A queue whose jobs are cancelled at once and forgotten by the next sweep, if they are kept no longer. */
class Counted {
  readonly #sql = new NodeSql()
  stores = openStores(this.#sql)
  #made = 0
  now = start

  make(jobs: number, keepMs: number): void {
    const wanted = Array.from({ length: jobs }, () => ({
      id: `job-${this.#made++}`,
      type: 'join',
      payload: '{}',
      runAt: 0,
      keepMs,
    }))
    enqueue(this.stores, wanted, this.now)
    for (const { id } of wanted) this.#end(id)
  }

  sweep(): void {
    this.#days().note(this.now)
    this.stores.forget(this.now, 10_000)
  }

  sleep(): void {
    this.stores = openStores(this.#sql)
  }

  since = (day: string) => this.#days().since(day)

  #end(id: string): void {
    const job = this.stores.jobs.get(id)
    if (job !== undefined) this.stores.jobs.change(job, { phase: 9, rank: this.now + job.options.keepMs })
  }

  #days = () => new JobDays(this.#sql, this.stores.jobs)
}

test('a day has as many jobs as came between its midnights, however soon they are forgotten', () => {
  const queue = new Counted()
  const expected: Record<string, number> = {}
  queue.sweep()
  for (let hour = 0; hour < 100; hour++) {
    queue.now = start + hour * hourMs + 1
    const jobs = (hour * 7) % 11
    queue.make(jobs, hour % 3 === 0 ? 0 : hour % 3 === 1 ? 90 * 60_000 : 40 * hourMs)
    const day = dayOf(queue.now)
    expected[day] = (expected[day] ?? 0) + jobs
    if (hour % 5 === 4) queue.sleep()
    // Sweeps come seldom here, and none for a day and a half in between.
    if (hour % 2 === 0 && (hour < 30 || hour > 66)) queue.sweep()
  }
  queue.sweep()
  expect(queue.since('2026-11-22')).toEqual(expected)
  expect(Object.keys(queue.since('2026-11-25'))).toEqual(['2026-11-25', '2026-11-26'])
})

test('jobs that were forgotten before midnight stay on their day, though nothing is left that counts them', () => {
  const queue = new Counted()
  queue.sweep()
  for (const [hour, jobs] of [
    [23, 5],
    [25, 2],
  ] as const) {
    queue.now = start + hour * hourMs
    queue.make(jobs, 0)
    queue.sweep()
  }
  expect(queue.since('2026-11-22')).toEqual({ '2026-11-22': 5, '2026-11-23': 2 })
})

test('a place is never given twice, also when the last job was forgotten and the queue slept', () => {
  const queue = new Counted()
  queue.make(3, 0)
  queue.sweep()
  queue.sleep()
  queue.make(1, hourMs)
  expect(queue.stores.jobs.get('job-3')?.seq).toBe(4)
})

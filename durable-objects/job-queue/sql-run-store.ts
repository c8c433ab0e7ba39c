import type { RunStore } from '../../src/jobs/queue/stores.ts'
import type { RequestedRun } from '../../src/jobs/queue/worker-runs.ts'
import type { Sql } from '../shared/sql.ts'

/** The requested worker runs of one queue. */
export class SqlRunStore implements RunStore {
  readonly #sql: Sql
  /** In memory too, since every change of the queue asks for them; there are few. */
  readonly #runs: Map<string, RequestedRun>

  constructor(sql: Sql) {
    this.#sql = sql
    // A run that was requested and perhaps never dispatched: another is requested, and this one is not expected any more.
    sql.exec('DELETE FROM asked WHERE sent = 0')
    const runs = sql.exec<{ id: string; at: number }>('SELECT id, at FROM asked').toArray()
    this.#runs = new Map(runs.map((run) => [run.id, { ...run, isPublished: true }]))
  }

  all(): RequestedRun[] {
    return [...this.#runs.values()]
  }

  has(id: string): boolean {
    return this.#runs.has(id)
  }

  add(run: RequestedRun): void {
    this.#sql.exec('INSERT OR REPLACE INTO asked (id, at) VALUES (?, ?)', run.id, run.at)
    this.#runs.set(run.id, run)
  }

  remove(id: string): boolean {
    if (!this.#runs.delete(id)) return false
    this.#sql.exec('DELETE FROM asked WHERE id = ?', id)
    return true
  }

  notePublished(id: string): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    this.#sql.exec('UPDATE asked SET sent = 1 WHERE id = ?', id)
    this.#runs.set(id, { ...run, isPublished: true })
  }
}

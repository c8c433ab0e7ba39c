import type { ParkedTask } from '../../src/kernel/parked-task.ts'

type Row = { actor: string; task: string; lost: number; until: number }

/** Tasks listed at most: more would be no list. */
const maxListed = 1000
/** An entry whose actor did not speak up for so long after its task was due belongs to an actor that is gone. */
const forgottenMs = 86_400_000

/** Which tasks of all actors are parked, for the operator. Each actor tells of its own. */
export class ParkedTasks {
  readonly #sql: SqlStorage
  #hasTable = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  note({ actor, task, lost, until }: ParkedTask): void {
    this.#makeTable()
    this.#sql.exec(
      'INSERT OR REPLACE INTO parked_tasks (actor, task, lost, until) VALUES (?, ?, ?, ?)',
      actor,
      task,
      lost,
      until,
    )
  }

  clear(actor: string, task: string): void {
    this.#makeTable()
    this.#sql.exec('DELETE FROM parked_tasks WHERE actor = ? AND task = ?', actor, task)
  }

  /** How many are parked, and the first of them by when they run again. */
  list(now: number): { readonly count: number; readonly tasks: ParkedTask[] } {
    this.#makeTable()
    this.#sql.exec('DELETE FROM parked_tasks WHERE until < ?', now - forgottenMs)
    const count = Number(this.#sql.exec('SELECT count(*) AS count FROM parked_tasks').one()['count'])
    const tasks = this.#sql
      .exec<Row>('SELECT actor, task, lost, until FROM parked_tasks ORDER BY until, actor, task LIMIT ?', maxListed)
      .toArray()
    return { count, tasks }
  }

  /** Deletes the tasks of a tenant's actors; returns how many. */
  eraseTenant(tenant: string): number {
    const rows = this.rowsOfTenant(tenant)
    this.#sql.exec('DELETE FROM parked_tasks WHERE actor >= ? AND actor < ?', `${tenant}/`, `${tenant}0`)
    return rows
  }

  rowsOfTenant(tenant: string): number {
    this.#makeTable()
    // The character after the slash is the zero.
    const counted = 'SELECT count(*) AS rows FROM parked_tasks WHERE actor >= ? AND actor < ?'
    return Number(this.#sql.exec(counted, `${tenant}/`, `${tenant}0`).one()['rows'])
  }

  #makeTable(): void {
    if (this.#hasTable) return
    this.#sql.exec(
      `CREATE TABLE IF NOT EXISTS parked_tasks (
         actor TEXT NOT NULL, task TEXT NOT NULL, lost INTEGER NOT NULL, until INTEGER NOT NULL,
         PRIMARY KEY (actor, task)) WITHOUT ROWID`,
    )
    this.#hasTable = true
  }
}

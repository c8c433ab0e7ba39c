import type {
  QueueStores,
  RunStore,
  SettingsStore,
  UniqueHolder,
  UniqueStore,
  WaitStore,
} from '../../src/jobs/queue/stores.ts'
import type { RequestedRun } from '../../src/jobs/queue/worker-runs.ts'
import { defaultPolicy, type Policy } from '../../src/jobs/model/policy.ts'
import { readPolicy } from '../../src/jobs/model/stored.ts'
import { SqlJobStore } from './sql-job-store.ts'
import { SqlKeyStore } from './sql-key-store.ts'
import { SqlScheduleStore } from './sql-schedule-store.ts'
import type { Sql } from '../shared/sql.ts'

/** The stores of one queue, in its own SQLite. */
export interface SqlStores extends QueueStores {
  readonly jobs: SqlJobStore
  readonly keys: SqlKeyStore
  readonly schedules: SqlScheduleStore
  /** Deletes ended jobs whose retention is over, at most `limit`, and what belonged to them; returns how many. */
  forget(now: number, limit: number): number
}

export function openStores(sql: Sql): SqlStores {
  const keys = new SqlKeyStore(sql)
  const jobs = new SqlJobStore(sql, keys)
  return {
    jobs,
    keys,
    waits: new SqlWaitStore(sql),
    uniques: new SqlUniqueStore(sql),
    runs: new SqlRunStore(sql),
    settings: new SqlSettingsStore(sql),
    schedules: new SqlScheduleStore(sql),
    forget: (now, limit) => {
      const forgotten = jobs.forget(now, limit)
      sql.exec(
        `DELETE FROM uniques WHERE until <= ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = uniques.job AND jobs.phase <= 5)`,
        now,
      )
      keys.forget(now)
      return forgotten
    },
  }
}

class SqlWaitStore implements WaitStore {
  readonly #sql: Sql
  /** How many waits there are, in memory; most queues never have one. */
  #waits: number

  constructor(sql: Sql) {
    this.#sql = sql
    this.#waits = this.#count()
  }

  add(job: string, others: readonly string[]): void {
    for (const other of others) {
      this.#sql.exec('INSERT OR IGNORE INTO waits (awaited, job) VALUES (?, ?)', other, job)
      this.#waits++
    }
  }

  waitingFor(other: string): string[] {
    if (this.#waits === 0) return []
    return this.#sql
      .exec<{ job: string }>('SELECT job FROM waits WHERE awaited = ?', other)
      .toArray()
      .map(({ job }) => job)
  }

  remove(job: string, other: string): number {
    this.#sql.exec('DELETE FROM waits WHERE awaited = ? AND job = ?', other, job)
    this.#waits = this.#count()
    return this.#sql.exec<{ waits: number }>('SELECT count(*) AS waits FROM waits WHERE job = ?', job).one().waits
  }

  forget(job: string): void {
    this.#sql.exec('DELETE FROM waits WHERE job = ?', job)
    this.#waits = this.#count()
  }

  #count(): number {
    return this.#sql.exec<{ waits: number }>('SELECT count(*) AS waits FROM waits').one().waits
  }
}

class SqlUniqueStore implements UniqueStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  get(name: string): UniqueHolder | undefined {
    return this.#sql
      .exec<{ job: string; until: number }>('SELECT job, until FROM uniques WHERE name = ?', name)
      .toArray()[0]
  }

  set(name: string, { job, until }: UniqueHolder): void {
    this.#sql.exec('INSERT OR REPLACE INTO uniques (name, job, until) VALUES (?, ?, ?)', name, job, until)
  }
}

class SqlRunStore implements RunStore {
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

class SqlSettingsStore implements SettingsStore {
  readonly #sql: Sql
  #policy: Policy
  #rate: number

  constructor(sql: Sql) {
    this.#sql = sql
    const policy = this.#get('policy')
    this.#policy = policy === undefined ? defaultPolicy : readPolicy(policy)
    this.#rate = Number(this.#get('rate') ?? 0)
  }

  policy(): Policy {
    return this.#policy
  }

  setPolicy(policy: Policy): void {
    this.#set('policy', JSON.stringify(policy))
    this.#policy = policy
  }

  rate(): number {
    return this.#rate
  }

  setRate(fullAt: number): void {
    this.#set('rate', String(fullAt))
    this.#rate = fullAt
  }

  #get(name: string): string | undefined {
    return this.#sql.exec<{ value: string }>('SELECT value FROM facts WHERE name = ?', name).toArray()[0]?.value
  }

  #set(name: string, value: string): void {
    this.#sql.exec('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, value)
  }
}

import { z } from 'zod'
import type {
  LineStore,
  QueueStores,
  SettingsStore,
  UniqueHolder,
  UniqueStore,
  WaitStore,
} from '../../src/jobs/queue/stores.ts'
import { defaultPolicy, type Policy } from '../../src/jobs/model/policy.ts'
import { hasEnded, phases } from '../../src/jobs/model/phase.ts'
import { SqlJobStore } from './sql-job-store.ts'
import { SqlKeyStore } from './sql-key-store.ts'
import { SqlRunStore } from './sql-run-store.ts'
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
  // The job store keeps the counts per phase; the key store reads them.
  const counts = Array.from({ length: 10 }, () => 0)
  const keys = new SqlKeyStore(sql, counts)
  const jobs = new SqlJobStore(sql, counts, keys)
  return {
    jobs,
    keys,
    waits: new SqlWaitStore(sql),
    uniques: new SqlUniqueStore(sql),
    runs: new SqlRunStore(sql),
    settings: new SqlSettingsStore(sql),
    schedules: new SqlScheduleStore(sql),
    lines: new SqlLineStore(sql),
    forget: (now, limit) => forgetEnded(sql, jobs, keys, { now, limit }),
  }
}

/** Deletes jobs whose retention is over, and returns how many. */
function forgetEnded(
  sql: Sql,
  jobs: SqlJobStore,
  keys: SqlKeyStore,
  { now, limit }: { readonly now: number; readonly limit: number },
): number {
  let forgotten = 0
  for (const phase of Object.values(phases).filter(hasEnded)) {
    // Without their payloads: thousands of those may be more than an actor's memory holds.
    const ended = 'SELECT seq, id FROM jobs WHERE phase = ? AND rank <= ? ORDER BY rank LIMIT ?'
    for (const { seq, id } of sql.exec<{ seq: number; id: string }>(ended, phase, now, limit - forgotten).toArray()) {
      jobs.remove({ seq, phase })
      sql.exec('DELETE FROM lines WHERE job = ?', id)
      forgotten++
    }
  }
  sql.exec(
    `DELETE FROM uniques WHERE until <= ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = uniques.job AND jobs.phase <= 5)`,
    now,
  )
  keys.forget(now)
  return forgotten
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

/** Lines of its log that are kept of a job. */
const maxLines = 100

class SqlLineStore implements LineStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  add(job: string, at: number, line: string): void {
    this.#sql.exec(
      'INSERT INTO lines (job, n, at, line) SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3 FROM lines WHERE job = ?1',
      job,
      at,
      line,
    )
    this.#sql.exec(
      `DELETE FROM lines WHERE job = ?1 AND n <= (SELECT max(n) FROM lines WHERE job = ?1) - ${maxLines}`,
      job,
    )
  }

  of(job: string): { readonly at: number; readonly line: string }[] {
    return this.#sql
      .exec<{ at: number; line: string }>('SELECT at, line FROM lines WHERE job = ? ORDER BY n', job)
      .toArray()
  }
}

/** A policy of an older version lacks fields, which are taken from the defaults. */
const storedPolicy = z.record(z.string(), z.unknown())

class SqlSettingsStore implements SettingsStore {
  readonly #sql: Sql
  policy: Policy
  rate: number
  isHeld: boolean

  constructor(sql: Sql) {
    this.#sql = sql
    const policy = this.#get('policy')
    this.policy = policy === undefined ? defaultPolicy : { ...defaultPolicy, ...storedPolicy.parse(JSON.parse(policy)) }
    this.rate = Number(this.#get('rate') ?? 0)
    this.isHeld = this.#get('held') === '1'
  }

  setPolicy(policy: Policy): void {
    this.#set('policy', JSON.stringify(policy))
    this.policy = policy
  }

  setRate(fullAt: number): void {
    this.#set('rate', String(fullAt))
    this.rate = fullAt
  }

  setHeld(isHeld: boolean): void {
    if (this.isHeld === isHeld) return
    this.#set('held', isHeld ? '1' : '0')
    this.isHeld = isHeld
  }

  #get(name: string): string | undefined {
    return this.#sql.exec<{ value: string }>('SELECT value FROM facts WHERE name = ?', name).toArray()[0]?.value
  }

  #set(name: string, value: string): void {
    this.#sql.exec('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, value)
  }
}

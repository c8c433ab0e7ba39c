import type { RequestedRun } from '../../src/jobs/queue/worker-runs.ts'
import type { JobStore, Change, JobReservation, Named, Place } from '../../src/jobs/queue/job-store.ts'
import type { Job } from '../../src/jobs/model/job.ts'
import type { Phase, Counts } from '../../src/jobs/model/phase.ts'
import { defaultPolicy, type Policy } from '../../src/jobs/model/policy.ts'
import type { Schedule } from '../../src/jobs/schedules/schedule.ts'
import type { ScheduleShare } from '../../src/jobs/schedules/schedule-share.ts'
import { readPolicy, readSchedule } from '../../src/jobs/model/stored.ts'
import { byteLength } from '../../src/kernel/text.ts'
import { JobTable } from './job-table.ts'
import { KeyRates } from './key-rates.ts'
import type { Sql } from '../shared/sql.ts'

const maxLines = 100

/** Everything one queue has written down. */
export class SqlJobStore implements JobStore {
  readonly #sql: Sql
  readonly jobs: JobTable
  readonly #rates: KeyRates
  #policy: Policy
  #queueRate: number
  /** Asked for at every turn, so kept in mind; there are few. */
  readonly #requested: Map<string, RequestedRun>
  #nextSchedule: number | undefined
  /** What the schedules come to, once it was asked for. */
  #share: ScheduleShare | undefined
  /** Jobs somebody may be watching that changed since `takeTouched`. */
  readonly #touched = new Map<string, Job>()
  /** Whether any job waits for another; most queues never see one. */
  #waits: number

  constructor(sql: Sql) {
    this.#sql = sql
    this.jobs = new JobTable(sql)
    this.#rates = new KeyRates(sql)
    const policy = this.#setting('policy')
    this.#policy = policy === undefined ? defaultPolicy : readPolicy(policy)
    this.#queueRate = Number(this.#setting('rate') ?? 0)
    // A visit that was decided and perhaps never handed over: should it come after all, it finds the door closed.
    sql.exec('DELETE FROM asked WHERE sent = 0')
    const asked = sql.exec<{ id: string; at: number }>('SELECT id, at FROM asked').toArray()
    this.#requested = new Map(asked.map((run) => [run.id, { ...run, isPublished: true }]))
    this.#waits = sql.exec<{ waits: number }>('SELECT count(*) AS waits FROM waits').one().waits
    this.#nextSchedule = this.#findNextSchedule()
  }

  get = (id: string): Job | undefined => this.jobs.get(id)
  add = (job: Omit<Job, 'seq'>): Job => this.jobs.add(job)
  claim = (limit: number, visit: string, now: number): Job[] => this.jobs.claim(limit, visit, now)
  upTo = (phase: Phase, rank: number, limit: number): Job[] => this.jobs.upTo(phase, rank, limit)
  inPhase = (phase: Phase, limit: number, descending = false): Job[] => this.jobs.inPhase(phase, limit, descending)
  namesBehind = (phase: Phase, place: Place, limit: number): Named[] => this.jobs.namesBehind(phase, place, limit)
  lowestRank = (phase: Phase): number | undefined => this.jobs.lowestRank(phase)
  counts = (): Counts => this.jobs.counts()
  nextTurn = (): number => this.jobs.nextTurn()
  activeOf = (visit: string): Job[] => this.jobs.activeOf(visit)
  placesTaken = (key: string): number => this.jobs.placesTaken(key)
  nextInLine = (key: string): Job | undefined => this.jobs.nextInLine(key)

  change(job: Job, change: Change): Job {
    const changed = this.jobs.change(job, change)
    if (job.options.watchers.length > 0) this.#touched.set(job.id, changed)
    return changed
  }

  /** Watched jobs that changed, each as it is now; taken once. */
  takeTouched(): Job[] {
    const touched = [...this.#touched.values()]
    this.#touched.clear()
    return touched
  }

  keyRate = (key: string): number => this.#rates.get(key)
  setKeyRate = (key: string, fullAt: number): void => this.#rates.set(key, fullAt)

  lastReserved = (key: string): number => this.jobs.lastReserved(key)
  giveUpReserved = (now: number): void => this.jobs.giveUpReserved(now)

  queueRate = (): number => this.#queueRate

  setQueueRate(fullAt: number): void {
    this.#setSetting('rate', String(fullAt))
    this.#queueRate = fullAt
  }

  await(job: string, others: readonly string[]): void {
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

  release(job: string, other: string): number {
    this.#sql.exec('DELETE FROM waits WHERE awaited = ? AND job = ?', other, job)
    this.#countWaits()
    return this.#sql.exec<{ waits: number }>('SELECT count(*) AS waits FROM waits WHERE job = ?', job).one().waits
  }

  forgetWaits(job: string): void {
    this.#sql.exec('DELETE FROM waits WHERE job = ?', job)
    this.#countWaits()
  }

  unique(name: string): JobReservation | undefined {
    return this.#sql
      .exec<{ job: string; until: number }>('SELECT job, until FROM uniques WHERE name = ?', name)
      .toArray()[0]
  }

  setUnique(name: string, { job, until }: JobReservation): void {
    this.#sql.exec('INSERT OR REPLACE INTO uniques (name, job, until) VALUES (?, ?, ?)', name, job, until)
  }

  addLine(job: string, at: number, line: string): void {
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

  lines(job: string): { readonly at: number; readonly line: string }[] {
    return this.#sql
      .exec<{ at: number; line: string }>('SELECT at, line FROM lines WHERE job = ? ORDER BY n', job)
      .toArray()
  }

  requestedRuns(): RequestedRun[] {
    return [...this.#requested.values()]
  }

  addRequestedRun(run: RequestedRun): void {
    this.#sql.exec('INSERT OR REPLACE INTO asked (id, at) VALUES (?, ?)', run.id, run.at)
    this.#requested.set(run.id, run)
  }

  /** QStash accepted a run. */
  notePublished(id: string): void {
    const run = this.#requested.get(id)
    if (run === undefined) return
    this.#sql.exec('UPDATE asked SET sent = 1 WHERE id = ?', id)
    this.#requested.set(id, { ...run, isPublished: true })
  }

  isRequested(id: string): boolean {
    return this.#requested.has(id)
  }

  removeRequestedRun(id: string): boolean {
    if (!this.#requested.delete(id)) return false
    this.#sql.exec('DELETE FROM asked WHERE id = ?', id)
    return true
  }

  policy = (): Policy => this.#policy

  setPolicy(policy: Policy): void {
    this.#setSetting('policy', JSON.stringify(policy))
    this.#policy = policy
  }

  schedule(name: string): Schedule | undefined {
    return this.#schedules('WHERE name = ?', name)[0]
  }

  schedulesAfter(after: string, limit: number): Schedule[] {
    const sql = `SELECT json_set(spec, '$.job.payload', '') AS spec FROM schedules WHERE name > ? ORDER BY name LIMIT ?`
    return this.#sql
      .exec<{ spec: string }>(sql, after, limit)
      .toArray()
      .map(({ spec }) => readSchedule(spec))
  }

  dueSchedules(now: number, limit: number): Schedule[] {
    const next = this.nextSchedule()
    if (next === undefined || next > now) return []
    return this.#schedules('WHERE next_at <= ? ORDER BY next_at, name LIMIT ?', now, limit)
  }

  nextSchedule(): number | undefined {
    return this.#nextSchedule
  }

  #findNextSchedule(): number | undefined {
    const sql = 'SELECT next_at FROM schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1'
    return this.#sql.exec<{ next_at: number }>(sql).toArray()[0]?.next_at
  }

  putSchedule(schedule: Schedule): void {
    const spec = JSON.stringify(schedule)
    this.#weigh(schedule.name, byteLength(spec))
    const sql = 'INSERT OR REPLACE INTO schedules (name, next_at, spec) VALUES (?, ?, ?)'
    this.#sql.exec(sql, schedule.name, schedule.paused ? null : schedule.nextAt, spec)
    this.#nextSchedule = this.#findNextSchedule()
  }

  scheduleShare(): ScheduleShare {
    this.#share ??= this.#sql
      .exec<{ schedules: number; bytes: number }>(
        'SELECT count(*) AS schedules, coalesce(sum(length(CAST(spec AS BLOB))), 0) AS bytes FROM schedules',
      )
      .one()
    return this.#share
  }

  scheduleBytes(name: string): number | undefined {
    const sql = 'SELECT length(CAST(spec AS BLOB)) AS bytes FROM schedules WHERE name = ?'
    return this.#sql.exec<{ bytes: number }>(sql, name).toArray()[0]?.bytes
  }

  /** Keeps the share up to date over a schedule that is stored anew, or goes when `bytes` is undefined. */
  #weigh(name: string, bytes: number | undefined): void {
    if (this.#share === undefined) return
    const known = this.scheduleBytes(name)
    this.#share = {
      schedules: this.#share.schedules + (bytes === undefined ? 0 : 1) - (known === undefined ? 0 : 1),
      bytes: this.#share.bytes + (bytes ?? 0) - (known ?? 0),
    }
  }

  removeSchedule(name: string): boolean {
    this.#weigh(name, undefined)
    const removed = this.#sql.exec('DELETE FROM schedules WHERE name = ? RETURNING name', name).toArray()
    this.#nextSchedule = this.#findNextSchedule()
    return removed.length > 0
  }

  forget(now: number, limit: number): number {
    const forgotten = this.jobs.forget(now, limit)
    for (const id of forgotten) this.#sql.exec('DELETE FROM lines WHERE job = ?', id)
    this.#sql.exec(
      `DELETE FROM uniques WHERE until <= ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = uniques.job AND jobs.phase <= 5)`,
      now,
    )
    this.#rates.forget(now)
    return forgotten.length
  }

  #setting(name: string): string | undefined {
    return this.#sql.exec<{ value: string }>('SELECT value FROM facts WHERE name = ?', name).toArray()[0]?.value
  }

  #setSetting(name: string, value: string): void {
    this.#sql.exec('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, value)
  }

  #schedules(where: string, ...bindings: (string | number)[]): Schedule[] {
    return this.#sql
      .exec<{ spec: string }>(`SELECT spec FROM schedules ${where}`, ...bindings)
      .toArray()
      .map(({ spec }) => readSchedule(spec))
  }

  #countWaits(): void {
    this.#waits = this.#sql.exec<{ waits: number }>('SELECT count(*) AS waits FROM waits').one().waits
  }
}

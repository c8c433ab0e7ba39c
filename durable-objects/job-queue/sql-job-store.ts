import { collectedBytes, defaults, handedOutLength, type Job } from '../../src/jobs/model/job.ts'
import { orderOf } from '../../src/jobs/queue/key-queue.ts'
import { hasEnded, phases, type Phase, type PhaseCounts } from '../../src/jobs/model/phase.ts'
import type { JobChange, JobStore, RankCursor } from '../../src/jobs/queue/stores.ts'
import { jobColumns, selectJobs, toJob, type JobRow } from './job-row.ts'
import type { SqlKeyStore } from './sql-key-store.ts'
import type { Sql } from '../shared/sql.ts'

/** Lines of its log that are kept of a job. */
const maxLines = 100

/** The jobs of one queue. Counts per phase are kept in memory, since every decision needs them. */
export class SqlJobStore implements JobStore {
  readonly #sql: Sql
  readonly #keys: SqlKeyStore
  readonly #counts: number[] = Array.from({ length: 10 }, () => 0)
  /** Active jobs: what was claimed is soon settled. Filled by claims, empty after a loss of memory. */
  readonly #active = new Map<string, Job>()
  /** Jobs with watchers that changed since `takeWatched`. */
  readonly #watched = new Map<string, Job>()
  #order = 0
  #top: number

  constructor(sql: Sql, keys: SqlKeyStore) {
    this.#sql = sql
    this.#keys = keys
    const top = `SELECT max(coalesce((SELECT max(seq) FROM jobs), 0),
      coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'top'), 0)) AS top`
    this.#top = sql.exec<{ top: number }>(top).one().top
    for (const row of sql.exec<{ phase: number; jobs: number }>(
      'SELECT phase, count(*) AS jobs FROM jobs GROUP BY phase',
    ))
      this.#count(row.phase, row.jobs)
    for (const row of sql.exec<{ rank: number }>('SELECT rank FROM jobs WHERE phase = 0'))
      this.#order = Math.max(this.#order, orderOf(row.rank) + 1)
  }

  /** The highest `seq` ever given: none is given twice, though jobs are deleted. */
  get top(): number {
    return this.#top
  }

  /** The highest `seq` among the jobs kept that were added before a time. */
  topBefore(time: number): number {
    const sql = 'SELECT seq FROM jobs WHERE made_at < ? ORDER BY seq DESC LIMIT 1'
    return this.#sql.exec<{ seq: number }>(sql, time).toArray()[0]?.seq ?? 0
  }

  get(id: string): Job | undefined {
    return this.#active.get(id) ?? selectJobs(this.#sql, 'WHERE id = ?', id)[0]
  }

  add(job: Omit<Job, 'seq'>): Job {
    const { id, type, payload, phase, rank, key, attempts, run, workerRun, permitted, madeAt, since } = job
    const seq = ++this.#top
    this.#sql.exec(
      `INSERT INTO jobs (seq, id, type, payload, phase, rank, key, attempts, run, visit, permitted, made_at, since, progress, note, result, timeout_ms, options, traceparent)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      seq,
      id,
      type,
      payload,
      phase,
      rank,
      key,
      attempts,
      run,
      workerRun,
      permitted ? 1 : 0,
      madeAt,
      since,
      job.progress,
      job.note,
      job.result,
      job.options.timeoutMs,
      job.options === defaults ? '' : JSON.stringify(job.options),
      job.traceparent,
    )
    this.#count(phase, 1)
    this.#keys.move(key, phase <= phases.pausing ? 1 : 0)
    return { ...job, seq }
  }

  change(job: Job, change: JobChange): Job {
    const changed = { ...job, ...change }
    const { payload, phase, rank, attempts, run, workerRun, permitted, since, progress, note, result } = changed
    this.#sql.exec(
      'UPDATE jobs SET payload = ?, phase = ?, rank = ?, attempts = ?, run = ?, visit = ?, permitted = ?, since = ?, progress = ?, note = ?, result = ? WHERE seq = ?',
      payload,
      phase,
      rank,
      attempts,
      run,
      workerRun,
      permitted ? 1 : 0,
      since,
      progress,
      note,
      result,
      job.seq,
    )
    this.#count(job.phase, -1)
    this.#count(phase, 1)
    this.#keys.move(job.key, (phase <= phases.pausing ? 1 : 0) - (job.phase <= phases.pausing ? 1 : 0))
    if (phase === phases.active) this.#active.set(job.id, changed)
    else this.#active.delete(job.id)
    if (job.options.watchers.length > 0) this.#watched.set(job.id, changed)
    return changed
  }

  /** Jobs with watchers that changed since the last time, each as it is now. */
  takeWatched(): Job[] {
    const watched = [...this.#watched.values()]
    this.#watched.clear()
    return watched
  }

  claim(limit: number, run: string, now: number): Job[] {
    if (limit <= 0) return []
    const rows = this.#sql
      .exec<JobRow>(
        `UPDATE jobs SET phase = 1, rank = ? + timeout_ms, run = run + 1, attempts = attempts + 1, visit = ?, since = ?
           WHERE seq IN (${limit <= fewJobs ? nextReady : nextLight}) RETURNING ${jobColumns}`,
        now + claimGraceMs,
        run,
        now,
        limit,
        ...(limit <= fewJobs ? [] : [handedOutLength]),
      )
      .toArray()
    this.#count(phases.ready, -rows.length)
    this.#count(phases.active, rows.length)
    const jobs = rows.map(toJob)
    for (const job of jobs) this.#active.set(job.id, job)
    return jobs.sort((a, b) => b.options.priority - a.options.priority || a.seq - b.seq)
  }

  upTo(phase: Phase, rank: number, limit: number): Job[] {
    if (this.#counts[phase] === 0) return []
    return selectJobs(this.#sql, 'WHERE phase = ? AND rank <= ? ORDER BY rank LIMIT ?', phase, rank, limit)
  }

  inPhase(phase: Phase, limit: number): Job[] {
    return selectJobs(this.#sql, 'WHERE phase = ? ORDER BY rank LIMIT ?', phase, limit)
  }

  idsAfter(phase: Phase, { rank, seq }: RankCursor, limit: number) {
    const sql = 'SELECT id, rank, seq FROM jobs WHERE phase = ? AND (rank, seq) > (?, ?) ORDER BY rank, seq LIMIT ?'
    return this.#sql.exec<{ id: string; rank: number; seq: number }>(sql, phase, rank, seq, limit).toArray()
  }

  /** Jobs of a phase with a lower `seq`, the newest first. */
  before(phase: Phase, seq: number, limit: number): Job[] {
    return selectJobs(this.#sql, 'WHERE phase = ? AND seq < ? ORDER BY seq DESC LIMIT ?', phase, seq, limit)
  }

  lowestRank(phase: Phase): number | undefined {
    if (this.#counts[phase] === 0) return undefined
    return this.#sql
      .exec<{ rank: number }>('SELECT rank FROM jobs WHERE phase = ? ORDER BY rank LIMIT 1', phase)
      .toArray()[0]?.rank
  }

  counts(): PhaseCounts {
    return this.#counts
  }

  nextOrder(): number {
    return this.#order++
  }

  activeOf(run: string): Job[] {
    return selectJobs(this.#sql, 'WHERE phase = 1 AND visit = ?', run)
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

  /** Deletes ended jobs whose retention is over, at most `limit`; returns how many. */
  forget(now: number, limit: number): number {
    let forgotten = 0
    for (const phase of Object.values(phases).filter(hasEnded)) {
      // Without their payloads: thousands of those may be more than an actor's memory holds.
      const sql = 'SELECT seq, id FROM jobs WHERE phase = ? AND rank <= ? ORDER BY rank LIMIT ?'
      const jobs = this.#sql.exec<{ seq: number; id: string }>(sql, phase, now, limit - forgotten)
      for (const { seq, id } of jobs.toArray()) {
        this.#sql.exec('DELETE FROM jobs WHERE seq = ?', seq)
        this.#count(phase, -1)
        this.#sql.exec('DELETE FROM lines WHERE job = ?', id)
        forgotten++
        if (seq === this.#top)
          this.#sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('top', ?)`, String(seq))
      }
    }
    return forgotten
  }

  /** When the oldest job that is ready or held was added. */
  oldestWaiting(): number | undefined {
    const sql = 'SELECT made_at FROM jobs WHERE phase = ? ORDER BY seq LIMIT 1'
    const found = [phases.ready, phases.held].flatMap((phase) =>
      this.#counts[phase] === 0 ? [] : this.#sql.exec<{ made_at: number }>(sql, phase).toArray(),
    )
    return found.length === 0 ? undefined : Math.min(...found.map(({ made_at }) => made_at))
  }

  #count(phase: number, by: number): void {
    this.#counts[phase] = (this.#counts[phase] ?? 0) + by
    this.#keys.count(phase, by)
  }
}

/** As many jobs as a call can carry, however large they are. */
const fewJobs = 6
const nextReady = 'SELECT seq FROM jobs WHERE phase = 0 ORDER BY rank LIMIT ?'
/** Ready jobs as long as they fit into a call; the results a job waited for count with their maximum. */
const nextLight = `SELECT seq FROM (
  SELECT seq, weight, sum(weight) OVER (ORDER BY rank, seq) AS total FROM (
    SELECT seq, rank, length(payload) + iif(instr(options, '"after":["') > 0, ${collectedBytes}, 0) AS weight
    FROM jobs WHERE phase = 0 ORDER BY rank LIMIT ?))
  WHERE total - weight < ?`

/** How long after its timeout the queue considers an attempt failed: as a rule the worker ends it first. */
const claimGraceMs = 30_000

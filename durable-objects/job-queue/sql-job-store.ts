import { z } from 'zod'
import { collectedBytes, defaults, handedOutLength, type Job, type JobOptions } from '../../src/jobs/model/job.ts'
import { orderOf, phases, toPhase, type Phase, type PhaseCounts } from '../../src/jobs/model/phase.ts'
import type { JobChange, JobStore, RankCursor } from '../../src/jobs/queue/stores.ts'
import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import type { Sql } from '../shared/sql.ts'

/** The cached counts of jobs with a place of their key. */
interface KeyPlaces {
  /** A job took a place, or gave it back. */
  move(key: string, places: number): void
}

/** The jobs of one queue. Counts per phase are kept in memory, since every decision needs them. */
export class SqlJobStore implements JobStore {
  readonly #sql: Sql
  readonly #places: KeyPlaces
  readonly #counts: number[]
  /** Active jobs: what was claimed is soon settled. Filled by claims, empty after a loss of memory. */
  readonly #active = new Map<string, Job>()
  /** Jobs with watchers that changed since `takeWatched`. */
  readonly #watched = new Map<string, Job>()
  /** Called in the commit that makes a job a dead letter. */
  onDead: ((job: Job) => void) | undefined
  #order = 0
  #top: number

  constructor(sql: Sql, counts: number[], places: KeyPlaces) {
    this.#sql = sql
    this.#counts = counts
    this.#places = places
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
    if (key !== null && phase <= phases.pausing) this.#places.move(key, 1)
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
    if (job.key !== null)
      this.#places.move(job.key, (phase <= phases.pausing ? 1 : 0) - (job.phase <= phases.pausing ? 1 : 0))
    if (phase === phases.active) this.#active.set(job.id, changed)
    else this.#active.delete(job.id)
    if (job.options.watchers.length > 0) this.#watched.set(job.id, changed)
    if (phase === phases.dead && job.phase !== phase) this.onDead?.(changed)
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

  idsAfter(phase: Phase, { rank, seq }: RankCursor, limit: number) {
    const sql = 'SELECT id, rank, seq FROM jobs WHERE phase = ? AND (rank, seq) > (?, ?) ORDER BY rank, seq LIMIT ?'
    return this.#sql.exec<{ id: string; rank: number; seq: number }>(sql, phase, rank, seq, limit).toArray()
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

  /** Deletes a job that has ended. */
  remove({ seq, phase }: Pick<Job, 'seq' | 'phase'>): void {
    this.#sql.exec('DELETE FROM jobs WHERE seq = ?', seq)
    this.#count(phase, -1)
    if (seq === this.#top) this.#sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('top', ?)`, String(seq))
  }

  #count(phase: number, by: number): void {
    this.#counts[phase] = (this.#counts[phase] ?? 0) + by
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

type JobRow = Omit<Job, 'phase' | 'permitted' | 'workerRun' | 'madeAt' | 'options'> & {
  phase: number
  permitted: number
  visit: string | null
  made_at: number
  options: string
}

const jobColumns =
  'seq, id, type, payload, phase, rank, key, attempts, run, visit, permitted, made_at, since, progress, note, result, options, traceparent'

const toJob = ({ made_at, visit, phase, permitted, options, ...row }: JobRow): Job => ({
  ...row,
  phase: toPhase(phase),
  permitted: permitted === 1,
  workerRun: visit,
  madeAt: made_at,
  options: readOptions(options),
})

export const selectJobs = (sql: Sql, where: string, ...bindings: (string | number)[]): Job[] =>
  sql
    .exec<JobRow>(`SELECT ${jobColumns} FROM jobs ${where}`, ...bindings)
    .toArray()
    .map(toJob)

/** Fields that an older version did not write are taken from the defaults, and fields that only a newer version knows are kept. */
const storedOptions = z.record(z.string(), z.unknown())
const known = new BoundedMap<string, JobOptions>(1000)

/** Reads a job's options; '' stands for the defaults. Jobs of one kind share a text, so each text is parsed once. */
function readOptions(text: string): JobOptions {
  if (text === '') return defaults
  const read = known.get(text)
  if (read !== undefined) return read
  const options: JobOptions = { ...defaults, ...storedOptions.parse(JSON.parse(text)) }
  known.set(text, options)
  return options
}

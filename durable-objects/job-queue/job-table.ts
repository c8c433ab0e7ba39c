import { collectedBytes, defaults, handedOutLength, type Job } from '../../src/jobs/model/job.ts'
import { turnOf } from '../../src/jobs/queue/key-queue.ts'
import { hasEnded, phases, type Counts, type Phase } from '../../src/jobs/model/phase.ts'
import { readOptions, toPhase } from '../../src/jobs/model/stored.ts'
import type { Change, Named, Place } from '../../src/jobs/queue/job-store.ts'
import type { Sql } from '../shared/sql.ts'

type Row = {
  seq: number
  id: string
  type: string
  payload: string
  phase: number
  rank: number
  key: string | null
  attempts: number
  run: number
  visit: string | null
  permitted: number
  made_at: number
  since: number
  progress: number
  note: string
  result: string | null
  options: string
}

/** Keys whose places are kept in mind; beyond it they are counted anew. */
const maxKnownKeys = 20_000

const columns =
  'seq, id, type, payload, phase, rank, key, attempts, run, visit, permitted, made_at, since, progress, note, result, options'

/** The jobs of one queue in its own SQLite. Counts per phase are kept in mind, since every decision asks for them. */
export class JobTable {
  readonly #sql: Sql
  readonly #counts: number[] = Array.from({ length: 10 }, () => 0)
  /** Active jobs, which are asked for most: what was claimed is soon settled. Filled by claims, lost with the mind. */
  readonly #active = new Map<string, Job>()
  /** Places taken of the keys in use, since counting them costs more than all the rest of a step. */
  readonly #places = new Map<string, number>()
  #turn = 0
  #top: number

  constructor(sql: Sql) {
    this.#sql = sql
    const known = `SELECT max(coalesce((SELECT max(seq) FROM jobs), 0),
      coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'top'), 0)) AS top`
    this.#top = sql.exec<{ top: number }>(known).one().top
    for (const row of sql.exec<{ phase: number; jobs: number }>(
      'SELECT phase, count(*) AS jobs FROM jobs GROUP BY phase',
    ))
      this.#counts[row.phase] = row.jobs
    for (const row of sql.exec<{ rank: number }>('SELECT rank FROM jobs WHERE phase = 0'))
      this.#turn = Math.max(this.#turn, turnOf(row.rank) + 1)
  }

  /** The place of the newest job there ever was: a place is never given twice, though jobs are forgotten. */
  get top(): number {
    return this.#top
  }

  /** The last place among those kept that was given before a moment. */
  placeAt(moment: number): number {
    const sql = 'SELECT seq FROM jobs WHERE made_at < ? ORDER BY seq DESC LIMIT 1'
    return this.#sql.exec<{ seq: number }>(sql, moment).toArray()[0]?.seq ?? 0
  }

  get(id: string): Job | undefined {
    return this.#active.get(id) ?? this.#rows('WHERE id = ?', id)[0]
  }

  add(job: Omit<Job, 'seq'>): Job {
    const { id, type, payload, phase, rank, key, attempts, run, visit, permitted, madeAt, since } = job
    const seq = ++this.#top
    this.#sql.exec(
      `INSERT INTO jobs (seq, id, type, payload, phase, rank, key, attempts, run, visit, permitted, made_at, since, progress, note, result, timeout_ms, options)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      seq,
      id,
      type,
      payload,
      phase,
      rank,
      key,
      attempts,
      run,
      visit,
      permitted ? 1 : 0,
      madeAt,
      since,
      job.progress,
      job.note,
      job.result,
      job.options.timeoutMs,
      job.options === defaults ? '' : JSON.stringify(job.options),
    )
    this.#count(phase, 1)
    this.#take(key, phase <= phases.pausing ? 1 : 0)
    return { ...job, seq }
  }

  change(job: Job, change: Change): Job {
    const changed = { ...job, ...change }
    const { payload, phase, rank, attempts, run, visit, permitted, since, progress, note, result } = changed
    this.#sql.exec(
      'UPDATE jobs SET payload = ?, phase = ?, rank = ?, attempts = ?, run = ?, visit = ?, permitted = ?, since = ?, progress = ?, note = ?, result = ? WHERE seq = ?',
      payload,
      phase,
      rank,
      attempts,
      run,
      visit,
      permitted ? 1 : 0,
      since,
      progress,
      note,
      result,
      job.seq,
    )
    this.#count(job.phase, -1)
    this.#count(phase, 1)
    this.#take(job.key, (phase <= phases.pausing ? 1 : 0) - (job.phase <= phases.pausing ? 1 : 0))
    if (phase === phases.active) this.#active.set(job.id, changed)
    else this.#active.delete(job.id)
    return changed
  }

  claim(limit: number, visit: string, now: number): Job[] {
    if (limit <= 0) return []
    const rows = this.#sql
      .exec<Row>(
        `UPDATE jobs SET phase = 1, rank = ? + timeout_ms, run = run + 1, attempts = attempts + 1, visit = ?, since = ?
           WHERE seq IN (${limit <= fewJobs ? nextReady : nextLight}) RETURNING ${columns}`,
        now + claimGraceMs,
        visit,
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
    return this.#rows('WHERE phase = ? AND rank <= ? ORDER BY rank LIMIT ?', phase, rank, limit)
  }

  inPhase(phase: Phase, limit: number, descending = false): Job[] {
    return this.#rows(`WHERE phase = ? ORDER BY rank ${descending ? 'DESC' : 'ASC'} LIMIT ?`, phase, limit)
  }

  namesBehind(phase: Phase, { rank, seq }: Place, limit: number): Named[] {
    const sql = 'SELECT id, rank, seq FROM jobs WHERE phase = ? AND (rank, seq) > (?, ?) ORDER BY rank, seq LIMIT ?'
    return this.#sql.exec<Named>(sql, phase, rank, seq, limit).toArray()
  }

  /** Jobs of a phase that came before a place, the newest first. */
  before(phase: Phase, seq: number, limit: number): Job[] {
    return this.#rows('WHERE phase = ? AND seq < ? ORDER BY seq DESC LIMIT ?', phase, seq, limit)
  }

  lowestRank(phase: Phase): number | undefined {
    if (this.#counts[phase] === 0) return undefined
    return this.#sql
      .exec<{ rank: number }>('SELECT rank FROM jobs WHERE phase = ? ORDER BY rank LIMIT 1', phase)
      .toArray()[0]?.rank
  }

  counts(): Counts {
    return this.#counts
  }

  nextTurn(): number {
    return this.#turn++
  }

  activeOf(visit: string): Job[] {
    return this.#rows('WHERE phase = 1 AND visit = ?', visit)
  }

  placesTaken(key: string): number {
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const sql = 'SELECT count(*) AS taken FROM jobs WHERE key = ? AND phase <= 2'
    const { taken } = this.#sql.exec<{ taken: number }>(sql, key).one()
    if (this.#places.size >= maxKnownKeys) this.#places.clear()
    this.#places.set(key, taken)
    return taken
  }

  nextInLine(key: string): Job | undefined {
    if (this.#counts[phases.held] === 0) return undefined
    return this.#rows('WHERE key = ? AND phase = 3 ORDER BY seq LIMIT 1', key)[0]
  }

  lastReserved(key: string): number {
    const sql = 'SELECT coalesce(max(rank), 0) AS at FROM jobs WHERE key = ? AND phase <= 2 AND permitted = 1'
    return this.#sql.exec<{ at: number }>(sql, key).one().at
  }

  giveUpReserved(now: number): void {
    const sql = `UPDATE jobs SET permitted = 0, rank = ?1
      WHERE phase = 2 AND rank > ?1 AND permitted = 1 AND json_extract(options, '$.rate') IS NULL`
    if (this.#counts[phases.pausing] !== 0) this.#sql.exec(sql, now)
  }

  /** Ended jobs whose time of keeping is over. */
  forget(now: number, limit: number): string[] {
    const forgotten: string[] = []
    for (const phase of Object.values(phases).filter(hasEnded)) {
      // Only by name: with their payloads five thousand may be more than an actor's memory holds.
      const sql = 'SELECT seq, id FROM jobs WHERE phase = ? AND rank <= ? ORDER BY rank LIMIT ?'
      const jobs = this.#sql.exec<{ seq: number; id: string }>(sql, phase, now, limit - forgotten.length)
      for (const { seq, id } of jobs.toArray()) {
        this.#sql.exec('DELETE FROM jobs WHERE seq = ?', seq)
        this.#count(phase, -1)
        forgotten.push(id)
        if (seq === this.#top)
          this.#sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('top', ?)`, String(seq))
      }
    }
    return forgotten
  }

  /** The oldest job that is ready or held, by when it came. */
  oldestWaiting(): number | undefined {
    const sql = 'SELECT made_at FROM jobs WHERE phase = ? ORDER BY seq LIMIT 1'
    const found = [phases.ready, phases.held].flatMap((phase) =>
      this.#counts[phase] === 0 ? [] : this.#sql.exec<{ made_at: number }>(sql, phase).toArray(),
    )
    return found.length === 0 ? undefined : Math.min(...found.map(({ made_at }) => made_at))
  }

  #rows(where: string, ...bindings: (string | number)[]): Job[] {
    return this.#sql
      .exec<Row>(`SELECT ${columns} FROM jobs ${where}`, ...bindings)
      .toArray()
      .map(toJob)
  }

  #take(key: string | null, places: number): void {
    if (key === null || places === 0) return
    const known = this.#places.get(key)
    if (known !== undefined) this.#places.set(key, known + places)
  }

  #count(phase: Phase, by: number): void {
    this.#counts[phase] = (this.#counts[phase] ?? 0) + by
  }
}

/** So many jobs a call can carry, however large they are. */
const fewJobs = 6
const nextReady = 'SELECT seq FROM jobs WHERE phase = 0 ORDER BY rank LIMIT ?'
/** Those before whom there was room in the call; what is collected for a job counts as the most it may be. */
const nextLight = `SELECT seq FROM (
  SELECT seq, weight, sum(weight) OVER (ORDER BY rank, seq) AS total FROM (
    SELECT seq, rank, length(payload) + iif(instr(options, '"after":["') > 0, ${collectedBytes}, 0) AS weight
    FROM jobs WHERE phase = 0 ORDER BY rank LIMIT ?))
  WHERE total - weight < ?`

/** What an attempt gets beyond its timeout before the ledger takes it as failed: the runner ends it first, as a rule. */
const claimGraceMs = 30_000

const toJob = ({ made_at, phase, permitted, options, ...row }: Row): Job => ({
  ...row,
  phase: toPhase(phase),
  permitted: permitted === 1,
  madeAt: made_at,
  options: readOptions(options),
})

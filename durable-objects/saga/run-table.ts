import type { Definition } from '../../src/sagas/definition.ts'
import { stateOf, type Run, type RunState } from '../../src/sagas/run.ts'
import { summaryOf } from '../../src/sagas/view.ts'
import type { SagaRunQuery } from '../contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'
import { neverAt } from './schema.ts'

/** Runs with calls that are kept parsed. */
const maxKnown = 500
/** For how long a run is a recent one, in milliseconds: most have ended by then. */
const recentMs = 60_000
/** Recent runs at a time; their times are kept in memory. */
const maxRecent = 10_000
/** How far behind the stored time is from which on recent runs are looked for, in milliseconds and in runs. */
const behindMs = 21_600_000
const behindRuns = 1000

const open = `state NOT IN ('completed', 'compensated')`

/**
 * The runs of one actor. Those that are in use stay in memory as they are stored.
 *
 * A run that began within the last minute is *recent*: when it is due is known in memory only, its `look_at` is null, and a step of
 * it writes one row and no entry of an index. After a loss of memory recent runs are found by the time of their start. One that is still
 * open after the minute, or has nothing due soon, gets its time and the entries of the indexes.
 */
export class RunTable {
  readonly #sql: SqlStorage
  readonly #kv: SyncKvStorage
  readonly #known = new Map<string, Known>()
  readonly #recent = new Map<string, { readonly startedAt: number; readonly dueAt: number }>()
  /** No recent run began before; undefined until it is first asked for. */
  #since: number | undefined
  #startedSince = 0
  /** Runs that have not ended; counted when it is first asked for. */
  #open: number | undefined

  constructor({ sql, kv }: DurableObjectStorage) {
    this.#sql = sql
    this.#kv = kv
  }

  get(id: string): Run | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known.run
    const sql = 'SELECT state, is_stuck, look_at, is_calling, data FROM runs WHERE id = ?'
    const [row] = this.#sql.exec<StoredColumns & { data: string }>(sql, id)
    if (row === undefined) return undefined
    const { data, ...columns } = row
    const run = parseStored<Run>(data)
    this.#known.set(id, { run, columns, isEnded: run.endedAt > 0 })
    return run
  }

  has(id: string): boolean {
    return this.#known.has(id) || this.#sql.exec('SELECT 1 FROM runs WHERE id = ?', id).toArray().length > 0
  }

  /**
   * Writes a run. `dueAt` is when something is due; `isDue` says that the stored time has been looked at. Returns when the run is to
   * be looked at.
   */
  put(run: Run, dueAt: number, isDue: boolean, now: number): number {
    const { id, endedAt } = run
    const before = this.#known.get(id)
    const isEnded = endedAt > 0
    const isCalling = Object.values(run.steps).some(({ phase }) => phase === 'active')
    const due = Math.min(dueAt, neverAt)
    const isRecent = (before?.columns.look_at ?? null) === null && this.#mayBeRecent(run, due, isCalling, now)
    const columns: StoredColumns = {
      state: stateOf(run),
      is_stuck: Number(summaryOf(run).isStuck),
      look_at: isRecent ? null : lookAtOf(before?.columns.look_at ?? null, due, isDue || isEnded),
      is_calling: Number(isCalling),
    }
    if (this.#open !== undefined) this.#open += Number(before?.isEnded ?? true) - Number(isEnded)
    if (before === undefined) this.#insert(run, columns)
    else this.#update(run, before.columns, columns)
    this.#known.set(id, { run, columns, isEnded })
    if (!isRecent) {
      this.#recent.delete(id)
      return columns.look_at ?? due
    }
    this.#recent.set(id, { startedAt: run.startedAt, dueAt: due })
    return Math.min(due, run.startedAt + recentMs)
  }

  /** Lets go of a run, to be read again when it is needed; of few runs with calls under way it waits for their outcomes. */
  forget(id: string): void {
    const known = this.#known.get(id)
    if (known !== undefined && (known.columns.is_calling === 0 || this.#known.size > maxKnown)) this.#known.delete(id)
  }

  /** A run that could not be changed is looked at again later. */
  postpone(id: string, until: number): void {
    this.#known.delete(id)
    this.#recent.delete(id)
    this.#sql.exec('UPDATE runs SET look_at = ? WHERE id = ?', until, id)
  }

  /** After a rollback nothing in memory holds. Recent runs are due at once, since it is not known when they are. */
  forgetAll(): void {
    this.#known.clear()
    this.#open = undefined
    this.#recent.clear()
    for (const { id, startedAt } of this.recentFrom(undefined, maxRecent)) this.#recent.set(id, { startedAt, dueAt: 0 })
  }

  delete(id: string): void {
    this.#known.delete(id)
    this.#recent.delete(id)
    this.#sql.exec('DELETE FROM runs WHERE id = ?', id)
  }

  /** Runs that something may be due for, and recent ones that are no longer. */
  due(now: number, limit: number): string[] {
    const due = this.#ids('SELECT id FROM runs WHERE look_at <= ? ORDER BY look_at LIMIT ?', now, limit)
    for (const [id, { startedAt, dueAt }] of this.#recent) {
      if (due.length >= limit) break
      if (dueAt <= now || startedAt + recentMs <= now) due.push(id)
    }
    return due
  }

  nextLookAt(): number | undefined {
    const [row] = this.#sql.exec<{ at: number | null }>('SELECT min(look_at) AS at FROM runs WHERE look_at IS NOT NULL')
    let next = row?.at ?? neverAt
    for (const { startedAt, dueAt } of this.#recent.values()) next = Math.min(next, dueAt, startedAt + recentMs)
    return next === neverAt ? undefined : next
  }

  /** Runs that had a call under way when they were written, but for recent ones. */
  calling(after: string, limit: number): string[] {
    const sql = 'SELECT id FROM runs WHERE is_calling = 1 AND look_at IS NOT NULL AND id > ? ORDER BY id LIMIT ?'
    return this.#ids(sql, after, limit)
  }

  /** Recent runs as they are stored, the oldest first. */
  recentFrom(after: RunPosition | undefined, limit: number): RunPosition[] {
    const { startedAt, id } = after ?? { startedAt: this.#recentSince, id: '' }
    const sql = `SELECT id, started_at AS startedAt FROM runs WHERE (started_at, id) > (?, ?) AND look_at IS NULL
      ORDER BY started_at, id LIMIT ?`
    return this.#sql.exec<{ id: string; startedAt: number }>(sql, startedAt, id, limit).toArray()
  }

  /** Stores from when on recent runs are looked for after a loss of memory, once that is far behind. */
  noteRecent(now: number): void {
    let since = now
    for (const { startedAt } of this.#recent.values()) since = Math.min(since, startedAt)
    if (since < this.#recentSince + behindMs && (this.#startedSince < behindRuns || since <= this.#recentSince)) return
    this.#since = since
    this.#startedSince = 0
    this.#kv.put('recentSince', since)
  }

  /** Runs that have not ended. */
  get openCount(): number {
    const sql = `SELECT (SELECT count(*) FROM runs WHERE look_at IS NOT NULL AND ${open})
      + (SELECT count(*) FROM runs WHERE started_at >= ? AND look_at IS NULL AND ${open}) AS n`
    this.#open ??= this.#sql.exec<{ n: number }>(sql, this.#recentSince).one().n
    return this.#open
  }

  /** Runs of a definition that have not ended, by state. */
  countsOf(saga: string): Partial<Record<RunState, number>> {
    const sql = `SELECT state, count(*) AS n FROM (
        SELECT state FROM runs WHERE saga = ? AND look_at IS NOT NULL AND ${open}
        UNION ALL SELECT state FROM runs WHERE started_at >= ? AND look_at IS NULL AND saga = ? AND ${open})
      GROUP BY state`
    const rows = this.#sql.exec<{ state: RunState; n: number }>(sql, saga, this.#recentSince, saga).toArray()
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]))
  }

  /** A page of runs, the newest first; looks at no more than `scanned` rows. */
  page(query: SagaRunQuery, scanned: number): { readonly runs: Run[]; readonly last: RunPosition | undefined } {
    const { before, limit } = query
    const sql = `SELECT id, saga, state, is_stuck, started_at, data FROM runs WHERE (started_at, id) < (?, ?)
      ORDER BY started_at DESC, id DESC LIMIT ?`
    const runs: Run[] = []
    let seen = 0
    let last: RunPosition | undefined
    for (const row of this.#sql.exec<PageRow>(sql, before.startedAt, before.id, scanned)) {
      if (runs.length === limit) return { runs, last }
      seen++
      last = { startedAt: row.started_at, id: row.id }
      if (!matches(row, query)) continue
      runs.push(parseStored<Run>(row.data))
    }
    return { runs, last: seen === scanned ? last : undefined }
  }

  get #recentSince(): number {
    this.#since ??= this.#kv.get<number>('recentSince') ?? 0
    return this.#since
  }

  #mayBeRecent({ id, startedAt, endedAt, unpublished }: Run, due: number, isCalling: boolean, now: number): boolean {
    // Where the clock was set back, the run would not be found by its start.
    if (startedAt < this.#recentSince || now >= startedAt + recentMs) return false
    if (this.#recent.size >= maxRecent && !this.#recent.has(id)) return false
    // One that has ended is written again once its events are published.
    if (endedAt > 0) return unpublished !== undefined
    return isCalling || due <= now + recentMs
  }

  #insert(run: Run, columns: StoredColumns): void {
    this.#startedSince++
    const names = Object.keys(columns)
    const sql = `INSERT INTO runs (id, saga, started_at, data, ${names.join(', ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
    this.#sql.exec(sql, run.id, run.definition, run.startedAt, JSON.stringify(run), ...Object.values(columns))
  }

  /** Names only columns that have changed: for each that is named, SQLite writes the entries of its indexes again. */
  #update(run: Run, before: StoredColumns, columns: StoredColumns): void {
    const changed = columnNames.filter((name) => columns[name] !== before[name])
    const sql = `UPDATE runs SET ${[...changed, 'data'].map((name) => `${name} = ?`).join(', ')} WHERE id = ?`
    this.#sql.exec(sql, ...changed.map((name) => columns[name]), JSON.stringify(run), run.id)
  }

  #ids(sql: string, ...values: (string | number)[]): string[] {
    return this.#sql
      .exec<{ id: string }>(sql, ...values)
      .toArray()
      .map(({ id }) => id)
  }
}

/** The stored time may be earlier than what is due: then it stays, until it has been looked at. */
const lookAtOf = (stored: number | null, due: number, isOver: boolean): number =>
  stored !== null && stored <= due && !isOver ? stored : due

/** What is stored of a run beside its JSON and what never changes. */
type StoredColumns = { state: string; is_stuck: number; look_at: number | null; is_calling: number }

const columnNames = ['state', 'is_stuck', 'look_at', 'is_calling'] as const

/** A run as it is stored. */
interface Known {
  readonly run: Run
  readonly columns: StoredColumns
  readonly isEnded: boolean
}

/** The position of a run among all, by the time of its start. */
export interface RunPosition {
  readonly startedAt: number
  readonly id: string
}

interface PageRow extends Record<string, SqlStorageValue> {
  id: string
  saga: string
  state: string
  is_stuck: number
  started_at: number
  data: string
}

const matches = (row: PageRow, { saga, state, stuck }: SagaRunQuery): boolean =>
  (saga === undefined || row.saga === saga) &&
  (state === undefined || row.state === state) &&
  (stuck !== true || row.is_stuck === 1)

/** The versions of definitions that runs of this actor have, as the tenant's catalog gave them. */
export class DefinitionCopies {
  readonly #sql: SqlStorage
  readonly #parsed = new Map<string, Definition>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  get(name: string, version: number): Definition | undefined {
    const key = `${name} ${version}`
    const known = this.#parsed.get(key)
    if (known !== undefined) return known
    const sql = 'SELECT text FROM definitions WHERE name = ? AND version = ?'
    const [row] = this.#sql.exec<{ text: string }>(sql, name, version)
    if (row === undefined) return undefined
    const definition = parseStored<Definition>(row.text)
    this.#parsed.set(key, definition)
    return definition
  }

  /** A version never changes. */
  put(definition: Definition): void {
    const { name, version } = definition
    const sql = 'INSERT OR IGNORE INTO definitions (name, version, text) VALUES (?, ?, ?)'
    this.#sql.exec(sql, name, version, JSON.stringify(definition))
    this.#parsed.set(`${name} ${version}`, definition)
  }
}

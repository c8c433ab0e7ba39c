import type { Definition } from '../../src/sagas/definition.ts'
import { stateOf, type Run, type RunState } from '../../src/sagas/run.ts'
import { summaryOf } from '../../src/sagas/view.ts'
import type { SagaRunQuery } from '../contracts.ts'

/** Runs with calls that are kept parsed. */
const maxKnown = 500

/** The runs of one actor. Those that are in use stay in memory as they are stored. */
export class RunTable {
  readonly #sql: SqlStorage
  readonly #known = new Map<string, Known>()
  /** Runs that have not ended; counted when it is first asked for. */
  #open: number | undefined

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  get(id: string): Run | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known.run
    const sql = 'SELECT data, look_at, is_calling FROM runs WHERE id = ?'
    const [row] = this.#sql.exec<{ data: string; look_at: number | null; is_calling: number }>(sql, id)
    if (row === undefined) return undefined
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this actor wrote it
    const run = JSON.parse(row.data) as Run
    this.#known.set(id, { run, lookAt: row.look_at, isCalling: row.is_calling === 1, isEnded: run.endedAt > 0 })
    return run
  }

  has(id: string): boolean {
    return this.#known.has(id) || this.#sql.exec('SELECT 1 FROM runs WHERE id = ?', id).toArray().length > 0
  }

  /** Writes a run. `dueAt` is when something is due; `isDue` says that the stored time has been looked at. */
  put(run: Run, dueAt: number, isDue: boolean): void {
    const before = this.#known.get(run.id)
    const due = dueAt === Infinity ? null : dueAt
    const isEarly = before?.lookAt !== null && before?.lookAt !== undefined && before.lookAt <= dueAt
    const lookAt = isEarly && !isDue && run.endedAt === 0 ? before.lookAt : due
    const isCalling = Object.values(run.steps).some(({ phase }) => phase === 'active')
    const sql = `INSERT INTO runs (id, saga, state, is_stuck, started_at, look_at, is_calling, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state, is_stuck = excluded.is_stuck, look_at = excluded.look_at,
        is_calling = excluded.is_calling, data = excluded.data`
    const { isStuck } = summaryOf(run)
    const row = [run.id, run.definition, stateOf(run), Number(isStuck), run.startedAt, lookAt, Number(isCalling)]
    const isEnded = run.endedAt > 0
    if (this.#open !== undefined) this.#open += Number(before?.isEnded ?? true) - Number(isEnded)
    this.#sql.exec(sql, ...row, JSON.stringify(run))
    this.#known.set(run.id, { run, lookAt, isCalling, isEnded })
  }

  /** Lets go of a run, to be read again when it is needed; of few runs with calls under way it waits for their outcomes. */
  forget(id: string): void {
    const known = this.#known.get(id)
    if (known !== undefined && (!known.isCalling || this.#known.size > maxKnown)) this.#known.delete(id)
  }

  /** A run that could not be changed is looked at again later. */
  postpone(id: string, until: number): void {
    this.#known.delete(id)
    this.#sql.exec('UPDATE runs SET look_at = ? WHERE id = ?', until, id)
  }

  /** After a rollback nothing in memory holds. */
  forgetAll(): void {
    this.#known.clear()
    this.#open = undefined
  }

  delete(id: string): void {
    this.#known.delete(id)
    this.#sql.exec('DELETE FROM runs WHERE id = ?', id)
  }

  /** Runs that something may be due for, the earliest first. */
  due(now: number, limit: number): string[] {
    return this.#ids('SELECT id FROM runs WHERE look_at <= ? ORDER BY look_at LIMIT ?', now, limit)
  }

  nextLookAt(): number | undefined {
    const [row] = this.#sql.exec<{ at: number | null }>('SELECT min(look_at) AS at FROM runs WHERE look_at IS NOT NULL')
    return row?.at ?? undefined
  }

  /** Runs that had a call under way when they were written. */
  calling(after: string, limit: number): string[] {
    return this.#ids('SELECT id FROM runs WHERE is_calling = 1 AND id > ? ORDER BY id LIMIT ?', after, limit)
  }

  /** Runs that have not ended. */
  get openCount(): number {
    const sql = `SELECT count(*) AS n FROM runs WHERE state NOT IN ('completed', 'compensated')`
    this.#open ??= this.#sql.exec<{ n: number }>(sql).one().n
    return this.#open
  }

  /** Runs of a definition that have not ended, by state. */
  countsOf(saga: string): Partial<Record<RunState, number>> {
    const sql = `SELECT state, count(*) AS n FROM runs WHERE saga = ? AND state NOT IN ('completed', 'compensated') GROUP BY state`
    const rows = this.#sql.exec<{ state: RunState; n: number }>(sql, saga).toArray()
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
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this actor wrote it
      runs.push(JSON.parse(row.data) as Run)
    }
    return { runs, last: seen === scanned ? last : undefined }
  }

  #ids(sql: string, ...values: (string | number)[]): string[] {
    return this.#sql
      .exec<{ id: string }>(sql, ...values)
      .toArray()
      .map(({ id }) => id)
  }
}

/** A run as it is stored. */
interface Known {
  readonly run: Run
  readonly lookAt: number | null
  readonly isCalling: boolean
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
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this actor wrote it
    const definition = JSON.parse(row.text) as Definition
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

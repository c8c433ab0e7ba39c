import type { Job, JobState } from '../../src/jobs/job.ts'

type Row = {
  id: string
  type: string
  payload: string
  run_at: number
  state: string
  attempts: number
  since: number
  note: string
}

const columns = 'id, type, payload, run_at, state, attempts, since, note'

/** The ledger of one queue in its own SQLite. */
export class JobTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  get(id: string): Job | undefined {
    return this.#rows('id = ?', id)[0]
  }

  put({ id, type, payload, runAt, state, attempts, since, note }: Job): void {
    this.#sql.exec(
      `INSERT INTO jobs (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
         run_at = excluded.run_at, state = excluded.state, attempts = excluded.attempts, since = excluded.since, note = excluded.note`,
      id,
      type,
      payload,
      runAt,
      state,
      attempts,
      since,
      note,
    )
  }

  /** Jobs of a state, the earliest due first. */
  inState(state: JobState, limit: number): Job[] {
    return this.#rows('state = ? ORDER BY run_at LIMIT ?', state, limit)
  }

  counts(): Record<string, number> {
    const rows = this.#sql.exec('SELECT state, count(*) AS jobs FROM jobs GROUP BY state').toArray()
    return Object.fromEntries(rows.map((row) => [String(row['state']), Number(row['jobs'])]))
  }

  /** Forgets finished jobs that ended before `before`. Dead ones stay until somebody deals with them. */
  forget(before: number): void {
    this.#sql.exec("DELETE FROM jobs WHERE state = 'done' AND since < ?", before)
  }

  #rows(where: string, ...bindings: (string | number)[]): Job[] {
    return this.#sql
      .exec<Row>(`SELECT ${columns} FROM jobs WHERE ${where}`, ...bindings)
      .toArray()
      .map(toJob)
  }
}

const toJob = ({ run_at, state, ...row }: Row): Job => ({ ...row, runAt: run_at, state: asState(state) })

const asState = (text: string): JobState =>
  text === 'carried' || text === 'done' || text === 'dead' ? text : 'waiting'

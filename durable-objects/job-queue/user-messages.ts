import { phases } from '../../src/jobs/model/phase.ts'
import { toView } from '../../src/jobs/model/view.ts'
import { exportLine } from '../../src/protocol/export-lines.ts'
import type { ExportedMessages } from '../contracts.ts'
import type { Sql } from '../shared/sql.ts'
import { selectJobs } from './sql-job-store.ts'

const ofUser = "type = 'deliver-message' AND payload ->> '$.user' = ?"

/** Empties the scheduled messages of a user, after cancelling those that wait; returns how many there were. */
export function eraseMessages(sql: Sql, user: string, limit: number, cancel: (id: string) => void): number {
  const jobs = selectJobs(sql, `WHERE ${ofUser} LIMIT ?`, user, limit).filter(({ phase }) => phase !== phases.active)
  for (const { id } of jobs) {
    cancel(id)
    sql.exec("UPDATE jobs SET payload = '{}', note = '', result = NULL WHERE id = ?", id)
    sql.exec('DELETE FROM lines WHERE job = ?', id)
  }
  return jobs.length
}

/** Lines of an export for the scheduled messages of a user, also of those that were delivered while they are kept; `after` is a place. */
export function exportedMessages(sql: Sql, user: string, after: number, limit: number): ExportedMessages {
  const jobs = selectJobs(sql, `WHERE ${ofUser} AND seq > ? ORDER BY seq LIMIT ?`, user, after, limit)
  const lines = jobs.map((job) => {
    const { id, state, createdAt, runAt } = toView(job)
    return exportLine('scheduled-message', { user, job: id, state, createdAt, runAt }, { message: job.payload })
  })
  return { lines, next: jobs.length < limit ? null : (jobs.at(-1)?.seq ?? null) }
}

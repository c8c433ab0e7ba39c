import type { Job } from '../../src/jobs/model/job.ts'
import { readOptions, toPhase } from '../../src/jobs/model/stored.ts'
import type { Sql } from '../shared/sql.ts'

export type JobRow = {
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
  traceparent: string | null
}

export const jobColumns =
  'seq, id, type, payload, phase, rank, key, attempts, run, visit, permitted, made_at, since, progress, note, result, options, traceparent'

export const toJob = ({ made_at, visit, phase, permitted, options, ...row }: JobRow): Job => ({
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

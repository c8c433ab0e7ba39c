import type { Outcome } from '../model/job.ts'
import type { JobState } from '../model/phase.ts'

/*
 * The calls between a queue and the workers of its runs: a worker polls with what it has to tell, and is answered with jobs.
 */

/** How attempt `run` of a job ended. */
export interface AttemptResult {
  readonly id: string
  readonly run: number
  readonly outcome: Outcome
}

/** What a running job reports of itself. */
export interface ProgressReport {
  readonly id: string
  readonly run: number
  readonly progress?: number
  readonly line?: string
}

/** One attempt at a job: the job's id and the number of the attempt. */
export interface AttemptReference {
  readonly id: string
  readonly run: number
}

/** What a worker tells the queue, and for how many more jobs it has capacity. */
export interface PollRequest {
  readonly workerRun: string
  readonly settled: readonly AttemptResult[]
  readonly reports: readonly ProgressReport[]
  /** Every job the worker still runs. The answer names those to stop; a job it was given and does not name is given again. */
  readonly holding: readonly AttemptReference[]
  readonly capacity: number
  /** Whether an earlier poll of the worker is not answered yet: jobs it does not name may be on their way to it. */
  readonly overtakes: boolean
}

/** A job given to a worker: what to do, which attempt this is, and the results of the jobs it waited for. */
export interface Assignment {
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly run: number
  /** Attempts that count, this one included, and how many there may be. */
  readonly attempt: number
  readonly attempts: number
  readonly timeoutMs: number
  readonly collected: readonly Collected[]
  /** The W3C trace of the request that made the job. */
  readonly traceparent?: string
}

/** How a job that was waited for ended; `result` is JSON text. */
export interface Collected {
  readonly id: string
  readonly state: JobState | 'forgotten'
  readonly result: string | null
}

/** What a worker is answered. */
export interface PollAnswer {
  readonly jobs: readonly Assignment[]
  /** Secrets that sign the posts of the `http` jobs among them, the newest first; empty without such jobs. */
  readonly secrets: readonly string[]
  /** Ids of jobs to stop. */
  readonly stop: readonly string[]
  /** Whether the queue expects another poll; false ends the run. */
  readonly stay: boolean
}

import type { Assignment } from '../jobs/queue/poll.ts'

/** One attempt at a job, as its handler sees it. */
export interface Attempt {
  /** The job's id is the same for every attempt, so that an effect can be made once. */
  readonly job: Assignment
  /** Aborted when the attempt times out or the job is cancelled. */
  readonly signal: AbortSignal
  /** Secrets of the queue that sign posts to endpoints, the newest first; for `http` jobs only. */
  readonly secrets: readonly string[]
  /** Reports progress (0 … 100) and a line for the job's log. */
  readonly report: (progress?: number, line?: string) => void
}

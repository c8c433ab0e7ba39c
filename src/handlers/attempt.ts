import type { Collected } from '../jobs/queue/poll.ts'

/** One attempt at a job, as its handler sees it. */
export interface Attempt {
  /** The job's id: the same for every attempt, so that an effect can be made once. */
  readonly id: string
  /** From 1; snoozed attempts do not count. */
  readonly number: number
  /** How the jobs it waited for ended. */
  readonly collected: readonly Collected[]
  /** Aborted when the attempt times out or the job is cancelled. */
  readonly signal: AbortSignal
  /** Secrets of the queue that sign posts to endpoints, the newest first; for `http` jobs only. */
  readonly secrets: readonly string[]
  /** The W3C trace of the request that made the job, for the outgoing request of an `http` job. */
  readonly traceparent?: string
  /** Reports progress (0 … 100) and a line for the job's log. */
  readonly report: (progress?: number, line?: string) => void
}

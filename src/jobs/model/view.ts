import { encodeWith } from '../../kernel/json.ts'
import type { Job } from './job.ts'
import { hasEnded, isTimed, stateOf, type JobState } from './phase.ts'

/** A job as it is shown: over HTTP, to those who follow it live, and to operators. Times in milliseconds since the epoch. */
export interface JobView {
  readonly id: string
  readonly type: string
  readonly state: JobState
  /** Attempts so far that counted, and how many there may be. */
  readonly attempts: number
  readonly maxAttempts: number
  /** 0 … 100. */
  readonly progress: number
  readonly key: string | null
  readonly priority: number
  readonly createdAt: number
  readonly changedAt: number
  /** When it is due, if it is waiting for its time. */
  readonly runAt: number | null
  /** What its last attempt said; empty when there is nothing to say. */
  readonly note: string
  /** JSON text of what it brought, once done. */
  readonly result: string | null
  /** Jobs it waits or waited for. */
  readonly after: readonly string[]
}

export function toView(job: Job): JobView {
  const { id, type, phase, rank, attempts, progress, key, madeAt, since, note, result, options } = job
  return {
    id,
    type,
    state: stateOf(phase),
    attempts,
    maxAttempts: options.attempts,
    progress,
    key,
    priority: options.priority,
    createdAt: madeAt,
    changedAt: since,
    runAt: isTimed(phase) ? rank : null,
    note,
    result: hasEnded(phase) ? result : null,
    after: options.after,
  }
}

/** The same for the outside as JSON text, with what `more` there is to say; a result is JSON within JSON, word for word. */
export const encodeJob = ({ result, ...view }: JobView, more: object = {}): string =>
  encodeWith({ ...view, ...more }, { result: result ?? 'null' })

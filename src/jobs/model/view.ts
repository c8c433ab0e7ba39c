import { encodeWith } from '../../kernel/json.ts'
import type { Job } from './job.ts'
import { hasEnded, isTimed, stateOf, type JobState } from './phase.ts'

/** A job as HTTP answers, subscribers and operators see it. Times in milliseconds since the epoch. */
export interface JobView {
  readonly id: string
  readonly type: string
  readonly state: JobState
  /** Attempts so far that count, and how many there may be. */
  readonly attempts: number
  readonly maxAttempts: number
  /** 0 … 100. */
  readonly progress: number
  readonly key: string | null
  readonly priority: number
  readonly createdAt: number
  readonly changedAt: number
  /** When it is due; null unless it waits for a time. */
  readonly runAt: number | null
  /** The message of its last attempt; may be empty. */
  readonly note: string
  /** JSON text of its result, once done. */
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

/** A job as JSON text with the fields of `more`; its result is passed on byte for byte. */
export const encodeJob = ({ result, ...view }: JobView, more: object = {}): string =>
  encodeWith({ ...view, ...more }, { result: result ?? 'null' })

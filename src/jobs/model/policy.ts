import type { Rate } from './rate.ts'

/** How a queue runs its jobs; a job's own `concurrency` and `rate` override `keyConcurrency` and `keyRate`. */
export interface Policy {
  readonly paused: boolean
  /** Jobs at a time, over all keys; null for no limit. */
  readonly concurrency: number | null
  readonly rate: Rate | null
  readonly keyConcurrency: number
  readonly keyRate: Rate | null
}

export const defaultPolicy: Policy = {
  paused: false,
  concurrency: null,
  rate: null,
  keyConcurrency: 1,
  keyRate: null,
}

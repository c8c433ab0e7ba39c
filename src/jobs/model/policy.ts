import type { Rate } from './rate.ts'

/** How a queue as a whole runs; a job's own word on its key goes before `keyConcurrency` and `keyRate`. */
export interface Policy {
  readonly paused: boolean
  /** Jobs at a time, over all keys; null for no bound. */
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

import { z } from 'zod'
import type { Job } from '../model/job.ts'
import { hasEnded, jobStates, stateOf, type JobState } from '../model/phase.ts'

/** Upper bounds of the histogram's buckets, in milliseconds; the last bucket has none. */
export const bucketsMs = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000] as const

/** The counts of one type of job. */
export interface JobTypeCounts {
  readonly type: string
  readonly ended: Readonly<Partial<Record<JobState, number>>>
  readonly attempts: number
  readonly totalMs: number
  /** Attempts per bucket; there is one more bucket than bounds. */
  readonly buckets: readonly number[]
}

/** The stored form of `JobMetrics`. */
export const storedTallies = z.array(
  z.object({
    type: z.string(),
    attempts: z.number(),
    totalMs: z.number(),
    buckets: z.array(z.number()),
    ended: z.partialRecord(z.enum(jobStates), z.number()),
  }),
)

interface TypeCounter {
  readonly ended: Map<JobState, number>
  readonly buckets: number[]
  attempts: number
  totalMs: number
}

const maxTypes = 100

/** Counts attempts of a queue by type of job, in memory. */
export class JobMetrics {
  readonly #types = new Map<string, TypeCounter>()
  #changed = false

  /** Continues from the counts of `before`. */
  constructor(before: readonly JobTypeCounts[] = []) {
    for (const { type, ended, attempts, totalMs, buckets } of before)
      this.#types.set(type, { ended: toMap(ended), attempts, totalMs, buckets: [...buckets] })
  }

  /** All counts; undefined when none changed since the last call. */
  takeChanged(): JobTypeCounts[] | undefined {
    if (!this.#changed) return undefined
    this.#changed = false
    return this.tallies()
  }

  /** Counts an attempt that ended after `tookMs`; `job` is the job after it. */
  attempt(job: Job, tookMs: number): void {
    const counting = this.#of(job.type)
    this.#changed = true
    counting.attempts++
    counting.totalMs += tookMs
    const bucket = bucketsMs.findIndex((bound) => tookMs <= bound)
    const index = bucket < 0 ? bucketsMs.length : bucket
    counting.buckets[index] = (counting.buckets[index] ?? 0) + 1
    if (!hasEnded(job.phase)) return
    const state = stateOf(job.phase)
    counting.ended.set(state, (counting.ended.get(state) ?? 0) + 1)
  }

  tallies(): JobTypeCounts[] {
    return [...this.#types].map(([type, { ended, ...rest }]) => ({ type, ...rest, ended: Object.fromEntries(ended) }))
  }

  #of(type: string): TypeCounter {
    const name = this.#types.has(type) || this.#types.size < maxTypes ? type : 'other'
    const known = this.#types.get(name)
    if (known !== undefined) return known
    const buckets = Array.from({ length: bucketsMs.length + 1 }, () => 0)
    const counting = { ended: new Map(), buckets, attempts: 0, totalMs: 0 }
    this.#types.set(name, counting)
    return counting
  }
}

const toMap = (ended: JobTypeCounts['ended']) =>
  new Map<JobState, number>(
    jobStates.map((state) => [state, ended[state] ?? 0] as const).filter(([, jobs]) => jobs > 0),
  )

/** The upper bound of the share `p` of the attempts, in milliseconds; undefined without attempts. */
export function percentileMs({ buckets, attempts }: JobTypeCounts, p: number): number | undefined {
  let left = Math.ceil(p * attempts)
  if (left === 0) return undefined
  const index = buckets.findIndex((count) => (left -= count) <= 0)
  return bucketsMs[index] ?? Infinity
}

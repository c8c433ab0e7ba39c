import type { Job } from '../../src/jobs/job.ts'
import type { Meter, Tally } from '../../src/jobs/meter.ts'
import { countStates, phasesOf, type JobState } from '../../src/jobs/phase.ts'
import type { Policy } from '../../src/jobs/policy.ts'
import { toView, type JobView } from '../../src/jobs/view.ts'
import type { JobBooks } from './job-books.ts'

/** A queue at a glance. */
export interface QueueStats {
  readonly counts: Readonly<Record<JobState, number>>
  /** How long the oldest job that could have started has been waiting, in milliseconds. */
  readonly oldestMs: number
  readonly policy: Policy
  readonly tallies: readonly Tally[]
}

export interface JobPage {
  readonly jobs: readonly JobView[]
  readonly next: string | null
}

export function queueStats(books: JobBooks, meter: Meter, now: number): QueueStats {
  const oldest = books.jobs.oldestWaiting()
  return {
    counts: countStates(books.counts()),
    oldestMs: oldest === undefined ? 0 : Math.max(0, now - oldest),
    policy: books.policy(),
    tallies: meter.tallies(),
  }
}

/** Jobs of a state, the newest first; the cursor is the last one's place. */
export function listJobs(books: JobBooks, state: JobState, cursor: string | undefined, limit: number): JobPage {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
  const jobs: Job[] = phasesOf(state).flatMap((phase) => books.jobs.before(phase, before, limit + 1))
  const page = jobs.sort((a, b) => b.seq - a.seq).slice(0, limit)
  const last = page.at(-1)
  return { jobs: page.map(toView), next: jobs.length > limit && last !== undefined ? String(last.seq) : null }
}

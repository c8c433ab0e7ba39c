import type { Job } from '../../src/jobs/model/job.ts'
import type { JobMetrics } from '../../src/jobs/metrics/job-metrics.ts'
import { countStates, phasesOf, type JobState } from '../../src/jobs/model/phase.ts'
import { toView } from '../../src/jobs/model/view.ts'
import type { SqlStores } from './sql-stores.ts'
import type { JobPage, QueueStats } from '../contracts.ts'

export function queueStats(stores: SqlStores, metrics: JobMetrics, now: number): QueueStats {
  const oldest = stores.jobs.oldestWaiting()
  return {
    counts: countStates(stores.jobs.counts()),
    oldestMs: oldest === undefined ? 0 : Math.max(0, now - oldest),
    policy: stores.settings.policy(),
    tallies: metrics.tallies(),
  }
}

/** Jobs of a state, the newest first; the cursor is the `seq` of the last one. */
export function listJobs(stores: SqlStores, state: JobState, cursor: string | undefined, limit: number): JobPage {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
  const jobs: Job[] = phasesOf(state).flatMap((phase) => stores.jobs.before(phase, before, limit + 1))
  const page = jobs.sort((a, b) => b.seq - a.seq).slice(0, limit)
  const last = page.at(-1)
  return { jobs: page.map(toView), next: jobs.length > limit && last !== undefined ? String(last.seq) : null }
}

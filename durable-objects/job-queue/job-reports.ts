import type { JobMetrics } from '../../src/jobs/metrics/job-metrics.ts'
import { countStates } from '../../src/jobs/metrics/queue-metrics.ts'
import { phases, stateOf, type JobState, type Phase, type PhaseCounts } from '../../src/jobs/model/phase.ts'
import { toView } from '../../src/jobs/model/view.ts'
import type { JobPage, QueueStats } from '../contracts.ts'
import type { Sql } from '../shared/sql.ts'
import { selectJobs } from './sql-job-store.ts'
import type { SqlStores } from './sql-stores.ts'

export function queueStats(sql: Sql, stores: SqlStores, metrics: JobMetrics, now: number): QueueStats {
  const counts = stores.jobs.counts()
  const oldest = oldestWaiting(sql, counts)
  return {
    counts: countStates(counts),
    oldestMs: oldest === undefined ? 0 : Math.max(0, now - oldest),
    policy: stores.settings.policy,
    tallies: metrics.tallies(),
  }
}

/** When the oldest job that is ready or held was added. */
function oldestWaiting(sql: Sql, counts: PhaseCounts): number | undefined {
  const oldest = 'SELECT made_at FROM jobs WHERE phase = ? ORDER BY seq LIMIT 1'
  const found = [phases.ready, phases.held].flatMap((phase) =>
    counts[phase] === 0 ? [] : sql.exec<{ made_at: number }>(oldest, phase).toArray(),
  )
  return found.length === 0 ? undefined : Math.min(...found.map(({ made_at }) => made_at))
}

/** Jobs of a state, the newest first; the cursor is the `seq` of the last one. */
export function listJobs(sql: Sql, state: JobState, cursor: string | undefined, limit: number): JobPage {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
  const jobs = phasesOf(state).flatMap((phase) =>
    selectJobs(sql, 'WHERE phase = ? AND seq < ? ORDER BY seq DESC LIMIT ?', phase, before, limit + 1),
  )
  const page = jobs.sort((a, b) => b.seq - a.seq).slice(0, limit)
  const last = page.at(-1)
  return { jobs: page.map(toView), next: jobs.length > limit && last !== undefined ? String(last.seq) : null }
}

/** The phases of a state. */
const phasesOf = (state: JobState): Phase[] => Object.values(phases).filter((phase) => stateOf(phase) === state)

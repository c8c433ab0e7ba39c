import { hasEnded, phases, type Phase } from '../model/phase.ts'
import type { QueueStores } from './stores.ts'

/** Phases of jobs that a sweep looks after: they wait for a worker, a place or another job. */
const everySweep: readonly Phase[] = [phases.ready, phases.active, phases.pausing, phases.held, phases.blocked]
/** A delay that ended this long ago should have rung the alarm of its queue, in milliseconds. */
const overdueMs = 300_000

/**
 * When the next sweep has something to do for a queue, in milliseconds since the epoch: 0 for every sweep while jobs wait or
 * run, else when the first retention ends, or well after the first delay should have ended; null for never.
 */
export function nextSweep({ jobs, schedules }: QueueStores): number | null {
  const counts = jobs.counts()
  if (everySweep.some((phase) => (counts[phase] ?? 0) > 0)) return 0
  const delays = [jobs.lowestRank(phases.delayed), schedules.next]
  const ends = Object.values(phases)
    .filter(hasEnded)
    .map((phase) => jobs.lowestRank(phase))
  const times = [...delays.flatMap((at) => (at === undefined ? [] : [at + overdueMs])), ...ends]
  const known = times.filter((at) => at !== undefined)
  return known.length === 0 ? null : Math.min(...known)
}

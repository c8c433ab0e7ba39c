import { bucketsMs, percentileMs, type Tally } from './meter.ts'
import type { JobState } from './phase.ts'

/** How one queue stood when the sweep last came by. */
export interface QueueFigures {
  readonly tenant: string
  readonly queue: string
  readonly counts: Readonly<Record<JobState, number>>
  readonly oldestMs: number
  readonly tallies: readonly Tally[]
}

const states: readonly JobState[] = ['waiting', 'delayed', 'active', 'done', 'failed', 'dead', 'cancelled']
const quantiles = [0.5, 0.9, 0.99]

/** All queues together as Prometheus text lines. No tenant is named: whoever scrapes is not whoever owns the jobs. */
export function metricLines(figures: readonly QueueFigures[]): string[] {
  const counted = states.map(
    (state) => `parley_jobs{state="${state}"} ${sum(figures.map(({ counts }) => counts[state]))}`,
  )
  const oldest = Math.max(0, ...figures.map(({ oldestMs }) => oldestMs))
  return [...counted, `parley_jobs_oldest_waiting_seconds ${oldest / 1000}`, ...merge(figures).flatMap(typeLines)]
}

function typeLines(tally: Tally): string[] {
  const { type, attempts, ended } = tally
  const durations = quantiles.map((quantile) => {
    const ms = percentileMs(tally, quantile) ?? 0
    return `parley_job_seconds{type="${type}",quantile="${quantile}"} ${Number.isFinite(ms) ? ms / 1000 : '+Inf'}`
  })
  const outcomes = Object.entries(ended).map(
    ([state, jobs]) => `parley_jobs_ended_total{type="${type}",state="${state}"} ${jobs}`,
  )
  return [`parley_job_attempts_total{type="${type}"} ${attempts}`, ...outcomes, ...durations]
}

/** The tallies of all queues, one per type. */
function merge(figures: readonly QueueFigures[]): Tally[] {
  const byType = new Map<string, Tally>()
  for (const tally of figures.flatMap(({ tallies }) => tallies)) {
    const known = byType.get(tally.type)
    byType.set(tally.type, known === undefined ? tally : add(known, tally))
  }
  return [...byType.values()].sort((a, b) => (a.type < b.type ? -1 : 1))
}

const add = (a: Tally, b: Tally): Tally => ({
  type: a.type,
  attempts: a.attempts + b.attempts,
  totalMs: a.totalMs + b.totalMs,
  buckets: Array.from({ length: bucketsMs.length + 1 }, (_, n) => (a.buckets[n] ?? 0) + (b.buckets[n] ?? 0)),
  ended: Object.fromEntries(states.map((state) => [state, (a.ended[state] ?? 0) + (b.ended[state] ?? 0)])),
})

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

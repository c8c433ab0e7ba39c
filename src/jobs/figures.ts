import { bucketsMs, percentileMs, type Tally } from './meter.ts'
import { jobStates as states, type JobState } from './phase.ts'

/** How one queue stood when the sweep last came by. */
export interface QueueFigures {
  readonly tenant: string
  readonly queue: string
  readonly counts: Readonly<Record<JobState, number>>
  readonly oldestMs: number
  readonly tallies: readonly Tally[]
}

const quantiles = [0.5, 0.9, 0.99]

/** Queues that are told apart in metrics, the ones with most to tell; all of them are in the sums. */
const mostQueues = 200

/** How fast the jobs of one type went: attempts, how those that ended did, and percentiles of an attempt's milliseconds. */
export interface Pace {
  readonly type: string
  readonly attempts: number
  readonly ended: Tally['ended']
  /** Upper bounds, as fine as they are counted; null above the last one. */
  readonly durationsMs: { readonly p50: number | null; readonly p90: number | null; readonly p99: number | null }
}

export function pace(tally: Tally): Pace {
  const { type, attempts, ended } = tally
  const at = (p: number) => {
    const ms = percentileMs(tally, p) ?? 0
    return Number.isFinite(ms) ? ms : null
  }
  return { type, attempts, ended, durationsMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99) } }
}

/** All queues together as Prometheus text lines. No tenant is named: whoever scrapes is not whoever owns the jobs. */
export const metricLines = (figures: readonly QueueFigures[]): string[] => [
  ...stateLines('parley_jobs', '', (state) => sum(figures.map(({ counts }) => counts[state]))),
  `parley_jobs_oldest_waiting_seconds ${Math.max(0, ...figures.map(({ oldestMs }) => oldestMs)) / 1000}`,
  ...merge(figures).flatMap((tally) => typeLines('parley_job', '', tally)),
]

/** The same queue by queue, for the operator. */
export const queueLines = (figures: readonly QueueFigures[]): string[] =>
  figures.slice(0, mostQueues).flatMap(({ tenant, queue, counts, oldestMs, tallies }) => {
    const labels = `tenant="${tenant}",queue="${queue}"`
    return [
      ...stateLines('parley_queue_jobs', `${labels},`, (state) => counts[state]),
      `parley_queue_oldest_waiting_seconds{${labels}} ${oldestMs / 1000}`,
      ...tallies.flatMap((tally) => typeLines('parley_queue_job', `${labels},`, tally)),
    ]
  })

const stateLines = (name: string, labels: string, count: (state: JobState) => number): string[] =>
  states.map((state) => `${name}{${labels}state="${state}"} ${count(state)}`)

function typeLines(name: string, labels: string, tally: Tally): string[] {
  const { type, attempts, ended } = tally
  const durations = quantiles.map((quantile) => {
    const ms = percentileMs(tally, quantile) ?? 0
    return `${name}_seconds{${labels}type="${type}",quantile="${quantile}"} ${Number.isFinite(ms) ? ms / 1000 : '+Inf'}`
  })
  const outcomes = Object.entries(ended).map(
    ([state, jobs]) => `${name}s_ended_total{${labels}type="${type}",state="${state}"} ${jobs}`,
  )
  return [`${name}_attempts_total{${labels}type="${type}"} ${attempts}`, ...outcomes, ...durations]
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

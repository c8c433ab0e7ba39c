import type { MetricFamily, Sample } from '../../kernel/exposition.ts'
import { bucketsMs, percentileMs, type JobTypeCounts } from './job-metrics.ts'
import { jobStates as states, phases, stateOf, type JobState, type PhaseCounts } from '../model/phase.ts'

/** One queue at the last sweep. */
export interface QueueMetrics {
  readonly tenant: string
  readonly queue: string
  readonly counts: Readonly<Record<JobState, number>>
  readonly oldestMs: number
  readonly tallies: readonly JobTypeCounts[]
}

const quantiles = [0.5, 0.9, 0.99]

/** Queues with metrics of their own, the busiest; the sums count all of them. */
const maxQueues = 200

/** The jobs of one type: attempts, outcomes, and percentiles of an attempt's duration. */
export interface TypeSummary {
  readonly type: string
  readonly attempts: number
  readonly ended: JobTypeCounts['ended']
  /** Upper bounds of buckets; null above the last one. */
  readonly durationsMs: { readonly p50: number | null; readonly p90: number | null; readonly p99: number | null }
}

export function summarize(counts: JobTypeCounts): TypeSummary {
  const { type, attempts, ended } = counts
  const at = (p: number) => {
    const ms = percentileMs(counts, p) ?? 0
    return Number.isFinite(ms) ? ms : null
  }
  return { type, attempts, ended, durationsMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99) } }
}

/** All queues together, for /metrics, which names no tenant. */
export const jobFamilies = (figures: readonly QueueMetrics[]): MetricFamily[] => [
  {
    name: 'parley_jobs',
    type: 'gauge',
    help: 'Jobs in all queues at the last sweep, by state.',
    samples: states.map((state) => ({ labels: { state }, value: sum(figures.map(({ counts }) => counts[state])) })),
  },
  {
    name: 'parley_jobs_oldest_waiting_seconds',
    type: 'gauge',
    help: 'For how long the oldest job that could start has been waiting.',
    samples: [{ labels: {}, value: Math.max(0, ...figures.map(({ oldestMs }) => oldestMs)) / 1000 }],
  },
  ...typeFamilies(
    'parley_job',
    merge(figures).map((counts) => ({ labels: {}, counts })),
  ),
]

/** Queue by queue, for the operator. */
export function queueFamilies(all: readonly QueueMetrics[]): MetricFamily[] {
  const figures = all.slice(0, maxQueues).map((one) => ({ ...one, labels: { tenant: one.tenant, queue: one.queue } }))
  return [
    {
      name: 'parley_queue_jobs',
      type: 'gauge',
      help: 'Jobs of a queue at the last sweep, by state.',
      samples: figures.flatMap(({ labels, counts }) =>
        states.map((state) => ({ labels: { ...labels, state }, value: counts[state] })),
      ),
    },
    {
      name: 'parley_queue_oldest_waiting_seconds',
      type: 'gauge',
      help: 'For how long the oldest job of a queue that could start has been waiting.',
      samples: figures.map(({ labels, oldestMs }) => ({ labels, value: oldestMs / 1000 })),
    },
    ...typeFamilies(
      'parley_queue_job',
      figures.flatMap(({ labels, tallies }) => tallies.map((counts) => ({ labels, counts }))),
    ),
  ]
}

interface LabelledCounts {
  readonly labels: Sample['labels']
  readonly counts: JobTypeCounts
}

/** Attempts, outcomes and durations by type of job. */
const typeFamilies = (name: string, tallies: readonly LabelledCounts[]): MetricFamily[] => [
  {
    name: `${name}_attempts_total`,
    type: 'counter',
    help: 'Attempts at jobs, by type of job.',
    samples: tallies.map(({ labels, counts }) => ({
      labels: { ...labels, type: counts.type },
      value: counts.attempts,
    })),
  },
  {
    name: `${name}s_ended_total`,
    type: 'counter',
    help: 'Jobs that ended, by type and state.',
    samples: tallies.flatMap(({ labels, counts: { type, ended } }) =>
      Object.entries(ended).map(([state, value]) => ({ labels: { ...labels, type, state }, value })),
    ),
  },
  {
    name: `${name}_seconds`,
    type: 'summary',
    help: 'How long attempts took, by type of job.',
    samples: tallies.flatMap(durationSamples),
  },
]

function durationSamples({ labels, counts }: LabelledCounts): Sample[] {
  const own = { ...labels, type: counts.type }
  return [
    ...quantiles.map((quantile) => ({
      labels: { ...own, quantile: String(quantile) },
      value: (percentileMs(counts, quantile) ?? 0) / 1000,
    })),
    { suffix: '_sum', labels: own, value: counts.totalMs / 1000 },
    { suffix: '_count', labels: own, value: counts.attempts },
  ]
}

/** The tallies of all queues, one per type. */
function merge(figures: readonly QueueMetrics[]): JobTypeCounts[] {
  const byType = new Map<string, JobTypeCounts>()
  for (const counts of figures.flatMap(({ tallies }) => tallies)) {
    const known = byType.get(counts.type)
    byType.set(counts.type, known === undefined ? counts : add(known, counts))
  }
  return [...byType.values()].sort((a, b) => (a.type < b.type ? -1 : 1))
}

const add = (a: JobTypeCounts, b: JobTypeCounts): JobTypeCounts => ({
  type: a.type,
  attempts: a.attempts + b.attempts,
  totalMs: a.totalMs + b.totalMs,
  buckets: Array.from({ length: bucketsMs.length + 1 }, (_, n) => (a.buckets[n] ?? 0) + (b.buckets[n] ?? 0)),
  ended: Object.fromEntries(states.map((state) => [state, (a.ended[state] ?? 0) + (b.ended[state] ?? 0)])),
})

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** How many jobs are in each state. */
export function countStates(counts: PhaseCounts): Record<JobState, number> {
  const totals = { waiting: 0, delayed: 0, active: 0, done: 0, failed: 0, dead: 0, cancelled: 0 }
  for (const phase of Object.values(phases)) totals[stateOf(phase)] += counts[phase] ?? 0
  return totals
}

import { z } from 'zod'

/** Durations are counted in buckets of the powers of 1.5 of a millisecond; a percentile is the upper bound of its bucket. */
const base = 1.5

const histogram = z.record(z.string(), z.number())
const stepFigures = z.object({ done: z.number(), failed: z.number(), durations: histogram })
const definitionFigures = z.object({
  started: z.number(),
  completed: z.number(),
  compensated: z.number(),
  stuck: z.number(),
  durations: histogram,
  steps: z.record(z.string(), stepFigures),
})
const stored = z.record(z.string(), definitionFigures)

type Histogram = Record<string, number>
export type SagaFigures = z.output<typeof definitionFigures>

/** The figures of runs by definition, and of steps by their names. */
export class SagaMetrics {
  readonly #byName: Record<string, SagaFigures>

  constructor(before: unknown) {
    this.#byName = Object.assign(Object.create(null), stored.parse(before ?? {}))
  }

  of(name: string): SagaFigures {
    return (this.#byName[name] ??= {
      started: 0,
      completed: 0,
      compensated: 0,
      stuck: 0,
      durations: {},
      steps: {},
    })
  }

  step(name: string, step: string): SagaFigures['steps'][string] {
    const { steps } = this.of(name)
    return Object.hasOwn(steps, step) ? (steps[step] ?? none()) : (steps[step] = none())
  }

  /** What is stored. */
  all(): Record<string, SagaFigures> {
    return { ...this.#byName }
  }
}

const none = () => ({ done: 0, failed: 0, durations: {} })

/** Counts a duration in milliseconds. */
export function count(durations: Histogram, ms: number): void {
  const bucket = String(Math.max(0, Math.ceil(Math.log(Math.max(1, ms)) / Math.log(base))))
  durations[bucket] = (durations[bucket] ?? 0) + 1
}

/** The duration in milliseconds that a share of all durations does not exceed; undefined while there are none. */
export function percentile(durations: Readonly<Histogram>, share: number): number | undefined {
  const buckets = Object.entries(durations)
    .map(([bucket, times]) => ({ bucket: Number(bucket), times }))
    .toSorted((a, b) => a.bucket - b.bucket)
  const wanted = share * buckets.reduce((sum, { times }) => sum + times, 0)
  let seen = 0
  for (const { bucket, times } of buckets) {
    seen += times
    if (seen >= wanted) return Math.round(base ** bucket)
  }
  return undefined
}

/** Adds figures of several actors. */
export function sum(all: readonly SagaFigures[]): SagaFigures {
  const total: SagaFigures = { started: 0, completed: 0, compensated: 0, stuck: 0, durations: {}, steps: {} }
  for (const one of all) {
    for (const field of ['started', 'completed', 'compensated', 'stuck'] as const) total[field] += one[field]
    addAll(total.durations, one.durations)
    for (const [name, { done, failed, durations }] of Object.entries(one.steps)) {
      const step = (total.steps[name] ??= none())
      step.done += done
      step.failed += failed
      addAll(step.durations, durations)
    }
  }
  return total
}

function addAll(to: Histogram, from: Readonly<Histogram>): void {
  for (const [bucket, times] of Object.entries(from)) to[bucket] = (to[bucket] ?? 0) + times
}

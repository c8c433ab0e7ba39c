import { z } from 'zod'
import type { Histogram } from '../kernel/histogram.ts'

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

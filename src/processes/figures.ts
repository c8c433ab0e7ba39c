import { z } from 'zod'

const histogram = z.record(z.string(), z.number())
const expectationFigures = z.object({ met: z.number(), late: z.number(), arrived: z.number(), durations: histogram })

/** What the instances of a process did, as it is stored. */
export const processFigures = z.object({
  /** Events that belong to an instance. */
  events: z.number(),
  /** Events of its types without a correlation id. */
  uncorrelated: z.number(),
  /** Events beyond the bound of their instance. */
  beyond: z.number(),
  /** Events of new instances for which there was no room. */
  dropped: z.number(),
  instances: z.number(),
  completed: z.number(),
  abandoned: z.number(),
  durations: histogram,
  expectations: z.record(z.string(), expectationFigures),
})
export type ProcessFigures = z.output<typeof processFigures>

export const noFigures = (): ProcessFigures => ({
  events: 0,
  uncorrelated: 0,
  beyond: 0,
  dropped: 0,
  instances: 0,
  completed: 0,
  abandoned: 0,
  durations: {},
  expectations: {},
})

/** The figures of one expectation. */
export const figuresOf = (figures: ProcessFigures, name: string): ProcessFigures['expectations'][string] => {
  const none = { met: 0, late: 0, arrived: 0, durations: {} }
  return Object.hasOwn(figures.expectations, name)
    ? (figures.expectations[name] ?? none)
    : (figures.expectations[name] = none)
}

/** What this OS process did with instances since it began; each counts by itself. */
export const processCounts = { events: 0, uncorrelated: 0, late: 0, arrived: 0, completed: 0 }

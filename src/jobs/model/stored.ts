import { z } from 'zod'
import { defaults, type JobOptions } from './job.ts'
import { jobStates, phases, type Phase } from './phase.ts'
import { defaultPolicy, type Policy } from './policy.ts'
import type { Schedule } from '../schedules/schedule.ts'

/**
 * What a queue stores as JSON text, and how it is read: fields that an older version did not write are taken from the
 * defaults, and fields that only a newer version knows are kept.
 */
const object = z.record(z.string(), z.unknown())

const known = new Map<string, JobOptions>()
const maxKnown = 1000

/** Reads a job's options; '' stands for the defaults. Jobs of one kind share a text, so each text is parsed once. */
export function readOptions(text: string): JobOptions {
  if (text === '') return defaults
  const read = known.get(text)
  if (read !== undefined) return read
  const options: JobOptions = { ...defaults, ...object.parse(JSON.parse(text)) }
  if (known.size >= maxKnown) known.clear()
  known.set(text, options)
  return options
}

export const readPolicy = (text: string): Policy => ({ ...defaultPolicy, ...object.parse(JSON.parse(text)) })

const schedule = z.object({
  name: z.string(),
  when: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('cron'),
      cron: z.string(),
      timeZone: z.string(),
      gap: z.enum(['skip', 'shift']),
      overlap: z.enum(['first', 'both']),
    }),
    z.object({ kind: z.literal('every'), seconds: z.number(), from: z.number() }),
  ]),
  catchUp: z.enum(['none', 'last', 'all']),
  job: z.looseObject({ type: z.string(), payload: z.string() }),
  paused: z.boolean(),
  madeAt: z.number(),
  nextAt: z.number().nullable(),
  lastAt: z.number().nullable(),
  note: z.string(),
})

export function readSchedule(text: string): Schedule {
  const { job, ...rest } = schedule.parse(JSON.parse(text))
  const { type, payload, ...options } = job
  return { ...rest, job: { ...options, type, payload } }
}

/** The stored form of `JobMetrics`. */
export const storedTallies = z.array(
  z.object({
    type: z.string(),
    attempts: z.number(),
    totalMs: z.number(),
    buckets: z.array(z.number()),
    ended: z.partialRecord(z.enum(jobStates), z.number()),
  }),
)

const byNumber = new Map<number, Phase>(Object.values(phases).map((phase) => [phase, phase]))

export function toPhase(number: number): Phase {
  const phase = byNumber.get(number)
  if (phase === undefined) throw new Error(`a job is in phase ${number}, which this version does not know`)
  return phase
}

import { z } from 'zod'
import { daySeconds, jobId, options, queueName, work } from './job-fields.ts'
import { byField, dependent, needs, notBoth, without } from './json-schema-rules.ts'

const timing = {
  id: jobId.optional(),
  delaySeconds: z
    .number()
    .min(0)
    .max(90 * daySeconds, 'at most 90 days')
    .optional(),
  /** Milliseconds since the epoch. */
  runAt: z.int().positive().optional(),
  after: z.array(jobId).max(100).exactOptional(),
  evenIfFailed: z.boolean().exactOptional(),
}

interface Wanted {
  readonly type: 'http' | 'join'
  readonly url?: string | undefined
  readonly key?: string | undefined
  readonly concurrency?: number | undefined
  readonly rate?: unknown
}

export const rules = [
  [({ type, url }: Wanted) => (type === 'http') === (url !== undefined), 'url: an http job has one, a join has none'],
  [
    ({ key, concurrency, rate }: Wanted) => key !== undefined || (concurrency === undefined && rate === undefined),
    'key: concurrency and rate are per key; give a key, or set them for the whole queue',
  ],
] as const

/** The same rules in the published schema. */
export const jobRules = [byField('type', 'join', without('url'), needs('url')), dependent('key', 'concurrency', 'rate')]

const oneTime = ({ delaySeconds, runAt }: { delaySeconds?: number | undefined; runAt?: number | undefined }) =>
  delaySeconds === undefined || runAt === undefined

const oneJob = z
  .strictObject({ ...timing, ...work, ...options })
  .refine(...rules[0])
  .refine(...rules[1])
  .refine(oneTime, 'delaySeconds, runAt: give one of them')
  .meta({ allOf: [...jobRules, notBoth('delaySeconds', 'runAt')] })

/** One of the jobs of a batch. */
export type JobInput = z.output<typeof oneJob>

/** `POST /v1/jobs`. */
export const newJob = z
  .strictObject({ queue: queueName.default('default'), ...timing, ...work, ...options })
  .refine(...rules[0])
  .refine(...rules[1])
  .refine(oneTime, 'delaySeconds, runAt: give one of them')
  .meta({ allOf: [...jobRules, notBoth('delaySeconds', 'runAt')] })

/** `POST /v1/jobs/batch`: all of them, or none. */
export const newJobs = z.strictObject({ queue: queueName.default('default'), jobs: z.array(oneJob).min(1).max(1000) })

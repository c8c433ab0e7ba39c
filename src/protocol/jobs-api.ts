import { z } from 'zod'
import { anyOf } from './json-schema-rules.ts'
import { jobState, queueName, rate } from './job-fields.ts'

export const time = z.int().describe('Milliseconds since the epoch')

/** The queue of a job; without it the job is looked for in all queues of the tenant. */
export const jobQuery = z.strictObject({ queue: queueName.optional() })

/** `POST /v1/jobs/:id/progress`, by the endpoint that does the work. */
export const jobReport = z
  .strictObject({ progress: z.number().min(0).max(100).optional(), line: z.string().min(1).max(1000).optional() })
  .refine(({ progress, line }) => progress !== undefined || line !== undefined, 'progress, line: give at least one')
  .meta({ allOf: [anyOf('progress', 'line')] })

/** `GET /v1/queues/:name/jobs`. */
export const jobsQuery = z.strictObject({
  state: jobState.default('dead'),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

/** `PATCH /v1/queues/:name`; null removes a bound. */
export const queueChange = z.strictObject({
  concurrency: z.int().min(1).max(100_000).nullable().optional(),
  rate: rate.nullable().optional(),
  keyConcurrency: z.int().min(1).max(10_000).optional(),
  keyRate: rate.nullable().optional(),
})

/** `POST /v1/queues/:name/redrive`. */
export const redriveRequest = z.strictObject({ limit: z.int().min(1).max(1000).default(100) })

/** `POST /admin/v1/drain`: how long jobs under way may take to end. */
export const drainRequest = z.strictObject({ seconds: z.number().min(0).max(600).default(5) })

/** A job as the API shows it. */
export const job = z
  .object({
    id: z.string(),
    type: z.string(),
    state: jobState,
    attempts: z.int().describe('Attempts so far that counted'),
    maxAttempts: z.int(),
    progress: z.number().describe('0 to 100'),
    key: z.string().nullable(),
    priority: z.int(),
    createdAt: time,
    changedAt: time,
    runAt: time.nullable().describe('When a delayed job starts, in milliseconds since the epoch'),
    note: z.string().describe('What the last attempt reported; empty without a report'),
    result: z.unknown().describe('The JSON that the job returned; null before it is done'),
    after: z.array(z.string()).describe('Ids of the jobs that have to end first'),
  })
  .meta({ id: 'Job' })

/** A job with the queue it is in. */
export const jobInQueue = job.extend({ queue: z.string() }).meta({ id: 'JobInQueue' })

/** A job as a single read shows it. */
export const jobDetails = jobInQueue
  .extend({ lines: z.array(z.object({ at: time, line: z.string() })).describe('Log lines of the job, oldest first') })
  .meta({ id: 'JobDetails' })

const queueRules = {
  paused: z.boolean(),
  concurrency: z.int().nullable(),
  rate: rate.nullable(),
  keyConcurrency: z.int(),
  keyRate: rate.nullable(),
}

/** The rules of a queue. */
export const queuePolicy = z.object(queueRules).meta({ id: 'QueuePolicy' })

/** The rules of a queue with its name. */
export const namedQueuePolicy = z.object({ name: z.string(), ...queueRules }).meta({ id: 'NamedQueuePolicy' })

const milliseconds = z.number().nullable()

/** As names of members, where a reference to the words would not do. */
const stateName = z.enum(jobState.options)

/** The state of a queue. */
export const queueState = z
  .object({
    name: z.string(),
    ...queueRules,
    counts: z.record(stateName, z.int()).describe('Jobs by state'),
    oldestMs: z.int().describe('For how long the oldest job that may start has been waiting, in milliseconds'),
    types: z.array(
      z.object({
        type: z.string(),
        attempts: z.int(),
        ended: z.partialRecord(stateName, z.int()),
        durationsMs: z
          .object({ p50: milliseconds, p90: milliseconds, p99: milliseconds })
          .describe('Upper bounds of attempts; null above the largest bucket'),
      }),
    ),
  })
  .meta({ id: 'Queue' })

/** `GET /v1/queues`. */
export const queueList = z.object({ queues: z.array(z.string()).describe('Names of the queues') })

/** `GET /v1/queues/:name/jobs`. */
export const jobPage = z.object({ jobs: z.array(job), next: z.string().nullable().describe('Cursor of the next page') })

/** `POST /v1/queues/:name/redrive`. */
export const redriveResult = z.object({ redriven: z.int(), skipped: z.int() })

/** The secrets a queue signs its calls with, the newest first. */
export const queueSecrets = z.object({ secrets: z.array(z.string()) }).meta({ id: 'QueueSecrets' })

import { z } from 'zod'
import { anyOf, byField, dependent, needs, notBoth, oneOf, whenField, without } from './json-schema-rules.ts'
import { isPlainText } from '../kernel/text.ts'
import { jsonUpTo } from './given-json.ts'
import { userId } from './payloads.ts'
import { record } from './record.ts'

/** A job's id: the tenant's own or a UUID. It also stands in channel names and as `webhook-id`. */
export const jobId = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.@-]{1,128}$/, 'letters, digits and _ . @ - only, at most 128, not only dots')

export const queueName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits and _ . - only, at most 64, not only dots')

export const scheduleName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,100}$/, 'letters, digits and _ . - only, at most 100, not only dots')

/** A job's state in the words of the API. */
export const jobState = z
  .enum(['waiting', 'delayed', 'active', 'done', 'failed', 'dead', 'cancelled'])
  .meta({ id: 'JobState' })

const daySeconds = 86_400
const label = z.string().min(1).max(200).refine(isPlainText, 'must be well-formed Unicode')

const time = z.int().describe('Milliseconds since the epoch')

/** A token bucket; see src/jobs/model/rate.ts. */
const rate = z
  .strictObject({ count: z.int().min(1).max(1_000_000), seconds: z.number().min(0.001).max(daySeconds) })
  .describe(
    'A token bucket of `count` starts, refilled evenly by `count` every `seconds`. A full bucket lets `count` jobs start at ' +
      'once, so that the first `seconds` may see up to 2 × `count` starts; the average is `count` every `seconds`.',
  )
  .meta({ id: 'JobRate' })

const wait = z.number().min(0).max(daySeconds)

const backoff = z
  .strictObject({
    kind: z.enum(['fixed', 'exponential']).default('exponential'),
    seconds: wait.default(5),
    maxSeconds: wait.default(3600),
    jitter: z.number().min(0).max(1).default(0.5),
    perError: record(z.string().max(100), z.strictObject({ seconds: wait }))
      .meta({ maxProperties: 50 })
      .optional(),
  })
  .refine(({ perError = {} }) => Object.keys(perError).length <= 50, 'perError: at most 50 kinds')

const unique = z
  .strictObject({
    name: label,
    mode: z.enum(['reject', 'replace', 'debounce', 'throttle']),
    seconds: z.number().positive().max(daySeconds).optional(),
  })
  .refine(
    ({ mode, seconds }) => (mode === 'debounce' || mode === 'throttle') === (seconds !== undefined),
    'seconds: for debounce and throttle, and only for them',
  )
  .meta({
    allOf: [
      ...['debounce', 'throttle'].map((mode) => whenField('mode', mode, needs('seconds'))),
      ...['reject', 'replace'].map((mode) => whenField('mode', mode, without('seconds'))),
    ],
  })

/** What a job does: `http` posts `payload` to `url`; `join` only waits for the jobs in `after`. */
const work = {
  type: z.enum(['http', 'join']).default('http'),
  url: z.string().max(2048).optional(),
  payload: jsonUpTo(120_000).optional(),
}

const options = {
  priority: z.int().min(-100).max(100).optional(),
  key: label.optional(),
  concurrency: z.int().min(1).max(10_000).optional(),
  rate: rate.optional(),
  attempts: z.int().min(1).max(100).optional(),
  backoff: backoff.optional(),
  timeoutSeconds: z.number().min(1).max(900).optional(),
  keepSeconds: z
    .int()
    .min(0)
    .max(90 * daySeconds)
    .optional(),
  unique: unique.optional(),
  watchers: z.array(userId).max(50).optional(),
}

const timing = {
  id: jobId.optional(),
  delaySeconds: z
    .number()
    .min(0)
    .max(90 * daySeconds, 'at most 90 days')
    .optional(),
  /** Milliseconds since the epoch. */
  runAt: z.int().positive().optional(),
  after: z.array(jobId).max(100).optional(),
  evenIfFailed: z.boolean().optional(),
}

interface Wanted {
  readonly type: 'http' | 'join'
  readonly url?: string | undefined
  readonly key?: string | undefined
  readonly concurrency?: number | undefined
  readonly rate?: unknown
}

const rules = [
  [({ type, url }: Wanted) => (type === 'http') === (url !== undefined), 'url: an http job has one, a join has none'],
  [
    ({ key, concurrency, rate }: Wanted) => key !== undefined || (concurrency === undefined && rate === undefined),
    'key: concurrency and rate are per key; give a key, or set them for the whole queue',
  ],
] as const

/** The same rules in the published schema. */
const jobRules = [byField('type', 'join', without('url'), needs('url')), dependent('key', 'concurrency', 'rate')]

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

/** The queue of a job; without it the job is looked for in all queues of the tenant. */
export const jobQuery = z.strictObject({ queue: queueName.optional() })

/** `GET /v1/schedules`: the schedules of a queue behind the name `cursor`. */
export const schedulesQuery = z.strictObject({
  queue: queueName.default('default'),
  cursor: scheduleName.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

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
    .regex(/^\d{1,15}$/, 'not one of ours')
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

const scheduledJob = z
  .strictObject({ ...work, ...options })
  .refine(...rules[0])
  .refine(...rules[1])
  .meta({ allOf: jobRules })

/** `PUT /v1/schedules/:name`: by `cron` in a `timeZone`, or every so many seconds. */
export const newSchedule = z
  .strictObject({
    queue: queueName.default('default'),
    /** Five fields as in crontab(5), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. */
    cron: z.string().min(1).max(200).optional(),
    timeZone: z.string().min(1).max(64).optional(),
    /**
     * What to do at a local time that is skipped when clocks are set forward, or occurs twice when they are set back.
     */
    gap: z.enum(['skip', 'shift']).optional(),
    overlap: z.enum(['first', 'both']).optional(),
    everySeconds: z
      .int()
      .min(10)
      .max(366 * daySeconds)
      .optional(),
    /** Runs missed while nothing could start: none of them, the last, or all. */
    catchUp: z.enum(['none', 'last', 'all']).default('last'),
    paused: z.boolean().default(false),
    job: scheduledJob,
  })
  .refine(
    ({ cron, everySeconds }) => (cron === undefined) !== (everySeconds === undefined),
    'cron, everySeconds: give one of them',
  )
  .refine(
    ({ cron, timeZone, gap, overlap }) => cron !== undefined || (timeZone ?? gap ?? overlap) === undefined,
    'timeZone, gap, overlap: for cron only',
  )
  .meta({ allOf: [oneOf('cron', 'everySeconds'), dependent('cron', 'timeZone', 'gap', 'overlap')] })
export type ScheduleInput = z.output<typeof newSchedule>

export type ScheduledJobInput = ScheduleInput['job']

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

/** What an enqueue is answered with. */
export const jobReceipt = z
  .object({ id: z.string(), state: jobState, duplicate: z.boolean().describe('The job was there already') })
  .meta({ id: 'JobReceipt' })

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

/** A schedule as the API shows it. */
export const schedule = z
  .object({
    name: z.string(),
    cron: z.string().optional(),
    timeZone: z.string().optional(),
    gap: z.enum(['skip', 'shift']).optional(),
    overlap: z.enum(['first', 'both']).optional(),
    everySeconds: z.int().optional(),
    catchUp: z.enum(['none', 'last', 'all']),
    paused: z.boolean(),
    type: z.string().describe('The type of its jobs'),
    nextAt: time.nullable(),
    lastAt: time.nullable(),
    note: z.string().describe('Why the last run could not be enqueued; empty when it could'),
  })
  .meta({ id: 'Schedule' })

/** `GET /v1/schedules`. */
export const schedulePage = z.object({
  schedules: z.array(schedule),
  next: z.string().nullable().describe('Cursor of the next page'),
})

import { z } from 'zod'
import { isPlainText } from '../kernel/text.ts'
import { jsonUpTo } from './given-json.ts'
import { needs, whenField, without } from './json-schema-rules.ts'
import { userId } from './payloads.ts'
import { record } from './record.ts'

/** A job's id: the tenant's own or a UUID. It also stands in channel names and as `webhook-id`. */
export const jobId = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.@-]{1,128}$/, 'letters, digits and _ . @ - only, at most 128, not only dots')

export const queueName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits and _ . - only, at most 64, not only dots')

/** A job's state in the words of the API. */
export const jobState = z
  .enum(['waiting', 'delayed', 'active', 'done', 'failed', 'dead', 'cancelled'])
  .meta({ id: 'JobState' })

export const daySeconds = 86_400
const label = z.string().min(1).max(200).refine(isPlainText, 'must be well-formed Unicode')

/** A token bucket; see src/jobs/model/rate.ts. */
export const rate = z
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
      .exactOptional(),
  })
  .refine(({ perError = {} }) => Object.keys(perError).length <= 50, 'perError: at most 50 kinds')

const unique = z
  .strictObject({
    name: label,
    mode: z.enum(['reject', 'replace', 'debounce', 'throttle']),
    seconds: z.number().positive().max(daySeconds).exactOptional(),
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
export const work = {
  type: z.enum(['http', 'join']).default('http'),
  url: z.string().max(2048).optional(),
  payload: jsonUpTo(120_000).optional(),
}

export const options = {
  priority: z.int().min(-100).max(100).exactOptional(),
  key: label.exactOptional(),
  concurrency: z.int().min(1).max(10_000).exactOptional(),
  rate: rate.exactOptional(),
  attempts: z.int().min(1).max(100).exactOptional(),
  backoff: backoff.exactOptional(),
  timeoutSeconds: z.number().min(1).max(900).exactOptional(),
  keepSeconds: z
    .int()
    .min(0)
    .max(90 * daySeconds)
    .exactOptional(),
  unique: unique.exactOptional(),
  watchers: z.array(userId).max(50).exactOptional(),
}

/** What an enqueue is answered with. */
export const jobReceipt = z
  .object({ id: z.string(), state: jobState, duplicate: z.boolean().describe('The job was there already') })
  .meta({ id: 'JobReceipt' })

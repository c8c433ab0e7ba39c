import { z } from 'zod'
import { dependent, oneOf } from './json-schema-rules.ts'
import { time } from './jobs-api.ts'
import { daySeconds, options, queueName, work } from './job-fields.ts'
import { jobRules, rules } from './new-job.ts'

export const scheduleName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,100}$/, 'letters, digits and _ . - only, at most 100, not only dots')

/** `GET /v1/schedules`: the schedules of a queue behind the name `cursor`. */
export const schedulesQuery = z.strictObject({
  queue: queueName.default('default'),
  cursor: scheduleName.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

/** A job of a schedule, which gives it its id and its time. */
const scheduledJob = z
  .strictObject({ ...work, ...options })
  .refine(...rules[0])
  .refine(...rules[1])
  .meta({ allOf: jobRules })

export type ScheduledJobInput = z.output<typeof scheduledJob>

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

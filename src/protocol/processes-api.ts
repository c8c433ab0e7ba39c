import { z } from 'zod'
import { expressionLength } from '../kernel/expression.ts'
import { isPlainText } from '../kernel/text.ts'
import { eventType, topicName } from './events-api.ts'
import { userId } from './payloads.ts'

const daySeconds = 86_400
const time = z.int().describe('Milliseconds since the epoch')
const seconds = (max: number) => z.int().min(60).max(max)

/** Names of processes and of expectations. */
export const processName = topicName

export const correlationId = z.string().min(1).max(200).refine(isPlainText, 'must be well-formed Unicode')

const expression = z
  .string()
  .min(1)
  .max(expressionLength)
  .describe('JMESPath on `{type, source, id, key, version, subject, correlationid, data}`, gives the correlation id')

const watchedType = z
  .strictObject({
    type: eventType,
    correlation: expression.exactOptional(),
    starts: z.boolean().default(false),
    ends: z.boolean().default(false),
  })
  .meta({ id: 'ProcessEvent' })

const expectation = z
  .strictObject({
    name: processName,
    after: eventType,
    expect: eventType,
    withinSeconds: z
      .int()
      .min(1)
      .max(366 * daySeconds),
    count: z.int().min(1).max(100).default(1).describe('How many events of type `expect` have to come'),
  })
  .meta({ id: 'ProcessExpectation' })

const processFields = {
  topics: z.array(topicName).min(1).max(20).default(['default']),
  correlation: expression.exactOptional(),
  events: z.array(watchedType).min(2).max(50),
  expectations: z.array(expectation).max(50).default([]),
  raiseTo: topicName.default('default').describe('The topic of `process.late` and `process.arrived`'),
  keepSeconds: seconds(366 * daySeconds)
    .default(7 * daySeconds)
    .describe('How long an instance is kept once it is complete or abandoned'),
  idleSeconds: seconds(366 * daySeconds)
    .default(30 * daySeconds)
    .describe('After how long without an event an instance that is not complete is abandoned'),
  watchers: z.array(userId).max(50).default([]).describe('Users who may follow instances'),
}

/** `PUT /v1/processes/{name}`. */
export const newProcess = z
  .strictObject({
    ...processFields,
    from: z
      .union(
        [z.enum(['latest', 'earliest']), z.strictObject({ time: z.int().min(0) })],
        'must be "latest", "earliest" or {"time": <milliseconds since the epoch>}',
      )
      .default('latest')
      .describe('Where topics that it does not read yet begin'),
  })
  .meta({ id: 'NewProcess' })

/** A version of a process, as it is shown. */
export const processView = z
  .object({
    name: z.string(),
    version: z.int(),
    createdAt: time,
    warnings: z.array(z.string()).describe('What is permitted and may not be meant'),
    topics: z.array(z.string()),
    correlation: z.string().nullable(),
    events: z.array(
      z.object({ type: z.string(), correlation: z.string().nullable(), starts: z.boolean(), ends: z.boolean() }),
    ),
    expectations: z.array(
      z.object({
        name: z.string(),
        after: z.string(),
        expect: z.string(),
        withinSeconds: z.int(),
        count: z.int(),
      }),
    ),
    raiseTo: z.string(),
    keepSeconds: z.int(),
    idleSeconds: z.int(),
    watchers: z.array(z.string()),
  })
  .meta({ id: 'Process' })

export const processList = z.object({ processes: z.array(z.object({ name: z.string() })) })

export const processVersionQuery = z.strictObject({ version: z.coerce.number().int().min(1).optional() })

export const instanceState = z
  .enum(['unstarted', 'open', 'late', 'complete', 'abandoned'])
  .meta({ id: 'ProcessInstanceState' })

/** `GET /v1/processes/{name}/instances`. */
export const instancesQuery = z.strictObject({
  state: instanceState.optional(),
  before: z.coerce.number().int().min(1).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

const summary = { correlation: z.string(), version: z.int(), state: instanceState }

export const instancePage = z.object({
  instances: z.array(z.object(summary).meta({ id: 'ProcessInstanceSummary' })).describe('The newest first'),
  next: z.int().nullable(),
})

/** `GET /v1/processes/{name}/instances/{correlation}`. */
export const instanceQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0).describe('Entries of the history behind this number'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

const consumerProgress = z
  .object({
    name: z.string(),
    state: z.enum(['acknowledged', 'handed-out', 'pending', 'retrying', 'dead', 'filtered', 'skipped', 'passed']),
    reason: z.string().optional(),
  })
  .meta({ id: 'EventProgress' })

const historyEntry = z
  .object({
    n: z.int().describe('Counts from 1; also the offset in the channel of the instance'),
    seenAt: time.describe('When the process read it'),
    kind: z.enum(['event', 'late', 'arrived', 'state']),
    event: z
      .object({
        topic: z.string(),
        offset: z.int(),
        at: time.describe('When it was appended to its topic'),
        type: z.string(),
        source: z.string(),
        id: z.string(),
        key: z.string().nullable(),
        version: z.int(),
      })
      .optional(),
    consumers: z.array(consumerProgress).optional().describe('What consumers of its topic did with the event'),
    expectation: z.string().optional(),
    at: time.optional().describe('When the expectation was due, or was met'),
    state: instanceState.optional(),
  })
  .meta({ id: 'ProcessHistoryEntry' })

/** An instance with its history. */
export const instanceView = z
  .object({
    process: z.string(),
    ...summary,
    startedAt: time.nullable().describe('When the first event that starts the process was appended'),
    firstAt: time,
    lastAt: time.describe('When its newest event was appended'),
    expectations: z.array(
      z.object({
        name: z.string(),
        after: z.string(),
        expect: z.string(),
        withinSeconds: z.int(),
        count: z.int(),
        state: z.enum(['idle', 'waiting', 'met', 'late', 'arrived']),
        since: time.nullable(),
        dueAt: time.nullable(),
        metAt: time.nullable(),
        seen: z.int(),
      }),
    ),
    history: z.array(historyEntry),
    next: z.int().nullable().describe('`after` of the next page of the history'),
  })
  .meta({ id: 'ProcessInstance' })

const percentiles = z.object({ p50: z.number(), p90: z.number(), p99: z.number() }).nullable()

/** `GET /v1/processes/{name}/stats`. */
export const processStats = z
  .object({
    name: z.string(),
    instances: z.object({
      begun: z.int(),
      completed: z.int(),
      abandoned: z.int(),
      now: z.object({
        unstarted: z.int(),
        open: z.int(),
        late: z.int(),
        complete: z.int(),
        abandoned: z.int(),
      }),
    }),
    events: z.object({
      seen: z.int(),
      uncorrelated: z.int().describe('Without a correlation id'),
      beyond: z.int().describe('More than an instance keeps'),
      dropped: z.int().describe('Of new instances for which there was no room'),
    }),
    durationsMs: percentiles.describe('From the start to the newest event of instances when they were complete'),
    expectations: z.array(
      z.object({
        name: z.string(),
        met: z.int(),
        late: z.int(),
        arrived: z.int().describe('Late ones that were met afterwards'),
        durationsMs: percentiles.describe('From `after` to being met'),
      }),
    ),
    topics: z.array(
      z.object({
        name: z.string(),
        position: z.int(),
        readUpTo: time.describe('All events appended up to this time have been read'),
        lag: z.int().describe('Events behind the position'),
        skipped: z.int().describe('Events that the topic deleted before they were read'),
      }),
    ),
  })
  .meta({ id: 'ProcessStats' })

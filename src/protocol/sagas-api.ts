import { z } from 'zod'
import { eventType, readTopicName, topicName } from './events-api.ts'
import { jsonUpTo } from './given-json.ts'
import { jobId } from './job-fields.ts'
import { oneOf } from './json-schema-rules.ts'
import { userId } from './payloads.ts'

/** Bytes of JSON of an input, a signal, or what a person gives as the result of a step. */
export const sagaDataBytes = 16_384

const daySeconds = 86_400
const yearSeconds = 365 * daySeconds
const time = z.int().describe('Milliseconds since the epoch')

/** Names of definitions, steps and signals. */
export const sagaName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits and _ . - only, at most 64, not only dots')

/** The id of a run is the tenant's own, like that of a job; it also stands in the channel `saga:<id>`. */
export const sagaRunId = jobId

const expression = z.string().min(1).max(2000).describe('A JMESPath expression on `{input, steps, run}`')

const endpointCall = z
  .strictObject({
    url: z.string().max(2048).describe('An https address, which is sent a POST'),
    body: expression.exactOptional(),
  })
  .meta({ id: 'SagaCall' })

const operationCall = z
  .strictObject({
    operation: z.string().min(1).max(64).describe('The operationId of an operation of this API'),
    input: expression.describe('Gives `{"params": …, "query": …, "body": …}`, each of them optional').exactOptional(),
  })
  .meta({ id: 'SagaOperation' })

const wait = z.union(
  [
    z.strictObject({ signal: sagaName }),
    z
      .strictObject({
        topic: topicName.default('default'),
        event: eventType.describe('The type of the event'),
        correlation: expression.describe('Gives the `correlationid` of the event, or its key'),
      })
      .meta({ id: 'SagaEvent' }),
  ],
  'must be {"signal": <name>} or {"topic": <name>, "event": <type>, "correlation": <expression>}; names and types as topics and types of events have them',
)
const sleep = z.strictObject({ seconds: z.number().min(0).max(yearSeconds) })

const retry = z.strictObject({
  attempts: z.int().min(1).max(100).default(5),
  seconds: z
    .number()
    .min(0)
    .max(daySeconds)
    .default(1)
    .describe('The first pause; each following one is twice as long'),
  maxSeconds: z.number().min(0).max(daySeconds).default(300),
})

const works = ['call', 'operation', 'wait', 'sleep'] as const

const step = z
  .strictObject({
    name: sagaName,
    after: z.array(sagaName).max(100).exactOptional(),
    when: expression.exactOptional(),
    call: endpointCall.exactOptional(),
    operation: operationCall.exactOptional(),
    wait: wait.exactOptional(),
    sleep: sleep.exactOptional(),
    compensate: z.union([endpointCall, operationCall]).exactOptional(),
    status: endpointCall.exactOptional(),
    timeoutSeconds: z.number().min(1).max(yearSeconds).default(30),
    retry: retry.prefault({}),
    onUnknown: z.enum(['attention', 'compensate']).default('attention'),
    pivot: z.boolean().default(false),
  })
  .refine(
    (one) => works.filter((work) => one[work] !== undefined).length === 1,
    'give one of call, operation, wait, sleep',
  )
  .refine(
    (one) => one.timeoutSeconds <= 900 || one.wait !== undefined,
    'timeoutSeconds: at most 900 for a call; only a wait may take longer',
  )
  .refine(
    ({ status, call, operation }) => status === undefined || (call ?? operation) !== undefined,
    'status: only a call or an operation has one',
  )
  .meta({ allOf: [oneOf(...works)] })

/** Events of runs, by type. */
export const runEvent = z.enum(['saga.completed', 'saga.compensated', 'saga.attention'])

const publish = z
  .strictObject({
    topic: readTopicName.default('default').describe('`$parley` for your webhooks'),
    types: z
      .array(runEvent)
      .min(1)
      .max(3)
      .default([...runEvent.options])
      .describe('Which of them; all without it'),
  })
  .describe(
    'Events of runs are appended to this topic: that a run has ended, and how, or that a step of it waits for a person',
  )
  .meta({ id: 'SagaPublishing' })

/** `PUT /v1/sagas/{name}`. */
export const sagaDefinition = z
  .strictObject({
    steps: z.array(step).min(1).max(100),
    deadlineSeconds: z.number().min(1).max(yearSeconds).exactOptional(),
    stuckAfterSeconds: z.number().min(1).max(yearSeconds).default(3600),
    publish: publish.exactOptional(),
  })
  .meta({ id: 'SagaDefinition' })

export type SagaDefinition = z.output<typeof sagaDefinition>

const shownDefinition = z
  .object({
    steps: z.array(z.looseObject({ name: z.string() })),
    deadlineSeconds: z.number().optional(),
    stuckAfterSeconds: z.number(),
    publish: z.object({ topic: z.string(), types: z.array(runEvent) }).optional(),
  })
  .describe('The definition, with the defaults that apply')

/** What registering a definition is answered with. */
export const sagaVersion = z
  .object({
    name: z.string(),
    version: z.int(),
    warnings: z.array(z.string()).describe('What is permitted and may not be meant'),
  })
  .meta({ id: 'SagaVersion' })

export const sagaView = sagaVersion.extend({ definition: shownDefinition, createdAt: time }).meta({ id: 'Saga' })

export const sagaList = z.object({
  sagas: z.array(z.object({ name: z.string(), version: z.int().describe('The newest version') })),
})

/** `POST /v1/sagas/{name}/runs`. */
export const newSagaRun = z.strictObject({
  id: sagaRunId,
  version: z.int().min(1).optional().describe('The newest version without it'),
  input: jsonUpTo(sagaDataBytes).optional(),
  watchers: z.array(userId).max(50).default([]),
  keepSeconds: z
    .int()
    .min(0)
    .max(365 * daySeconds)
    .default(30 * daySeconds)
    .describe('How long the run is kept after its end'),
})

export const sagaRunState = z
  .enum(['running', 'compensating', 'attention', 'completed', 'compensated'])
  .meta({ id: 'SagaRunState' })

const stepState = z.enum([
  'pending',
  'active',
  'pausing',
  'waiting',
  'attention',
  'done',
  'skipped',
  'failed',
  'cancelled',
  'unresolved',
  'undone',
])

export const sagaRunReceipt = z
  .object({ id: z.string(), saga: z.string(), version: z.int(), state: sagaRunState, duplicate: z.boolean() })
  .meta({ id: 'SagaRunReceipt' })

const runSummary = {
  id: z.string(),
  saga: z.string(),
  version: z.int(),
  state: sagaRunState,
  isStuck: z.boolean(),
  startedAt: time,
  endedAt: time.nullable(),
  reason: z.string().nullable().describe('Why the run turned back'),
}

/** A run in a list. */
export const sagaRunSummary = z.object(runSummary).meta({ id: 'SagaRunSummary' })

export const sagaHistoryEntry = z
  .object({
    n: z.int().describe('Counts from 1; also the offset in the channel `saga:<id>`'),
    at: time,
    event: z.string(),
    step: z.string().optional(),
    detail: z.string().optional(),
    by: z.string().optional().describe('The API key or user that asked for it'),
  })
  .meta({ id: 'SagaHistoryEntry' })

/** A run with its steps and history. */
export const sagaRun = z
  .object({
    ...runSummary,
    input: z.unknown(),
    deadlineAt: time,
    watchers: z.array(z.string()),
    steps: z.array(
      z.object({
        name: z.string(),
        state: stepState,
        attempts: z
          .int()
          .describe('Attempts that failed, of the step or of its compensation; 0 when the first succeeded'),
        reason: z.string().nullable(),
        result: z.unknown(),
        startedAt: time.nullable(),
        endedAt: time.nullable(),
        dueAt: time.nullable().describe('When its pause, timer, wait or call ends at the latest'),
      }),
    ),
    history: z.array(sagaHistoryEntry).describe('The newest 500 entries, oldest first'),
  })
  .meta({ id: 'SagaRun' })

/** `GET /v1/saga-runs`. */
export const sagaRunsQuery = z.strictObject({
  saga: sagaName.optional(),
  state: sagaRunState.optional(),
  stuck: z.stringbool().optional().describe('Only runs that are stuck'),
  cursor: z
    .string()
    .regex(/^\d{1,15}:[A-Za-z0-9_.@-]{1,128}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const sagaRunPage = z.object({
  runs: z.array(sagaRunSummary).describe('The newest first'),
  next: z.string().nullable().describe('Cursor of the next page'),
})

export const sagaSignal = z.strictObject({ data: jsonUpTo(sagaDataBytes).optional() })
export const sagaCancel = z.strictObject({ reason: z.string().min(1).max(500) })
export const sagaSkip = z.strictObject({
  reason: z.string().min(1).max(500),
  result: jsonUpTo(sagaDataBytes).optional(),
})

const percentiles = z.object({ p50: z.number(), p90: z.number(), p99: z.number() }).nullable()

export const sagaStats = z
  .object({
    name: z.string(),
    runs: z.object({
      started: z.int(),
      completed: z.int(),
      compensated: z.int(),
      stuck: z.int().describe('Steps that were reported as stuck'),
      attention: z.int().describe('Runs that wait for a person now'),
      open: z.int().describe('Runs that have not ended'),
    }),
    durationsMs: percentiles.describe('Of runs that have ended; null before the first'),
    steps: z.array(z.object({ name: z.string(), done: z.int(), failed: z.int(), durationsMs: percentiles })),
  })
  .meta({ id: 'SagaStats' })

export const sagaSecrets = z.object({ secrets: z.array(z.string()) }).meta({ id: 'SagaSecrets' })

import { z } from 'zod'
import { eventKey, eventSource, eventType, readTopicName, storedEvent, topicName, typeVersion } from './events-api.ts'
import { time } from './jobs-api.ts'
import { record } from './record.ts'
import { urlLength } from '../kernel/outside-url.ts'

const prefix = z.string().regex(/^[A-Za-z0-9_./:-]{1,200}$/, 'letters, digits and _ . / : - only, at most 200')

/** Where a consumer begins, or continues after a seek. */
export const startingPoint = z.union(
  [
    z.enum(['earliest', 'latest']),
    z.strictObject({ offset: z.int().min(0).describe('The events behind this offset') }),
    z.strictObject({ time: z.int().min(0).describe('The events appended at this time or later, in milliseconds') }),
  ],
  'must be "earliest", "latest", {"offset": <number>} or {"time": <milliseconds since the epoch>}',
)
export type StartingPoint = z.output<typeof startingPoint>

const push = z.strictObject({
  url: z.string().max(urlLength),
  timeoutSeconds: z.int().min(1).max(60).default(15),
})

/** `PUT /v1/consumers/:name`. */
export const newConsumer = z.strictObject({
  topic: readTopicName.default('default'),
  types: z.array(prefix).max(50).default([]).describe('Beginnings of types; all types without them'),
  keys: z.array(eventKey).max(100).default([]),
  sources: z.array(eventSource).max(50).default([]),
  condition: z
    .string()
    .min(1)
    .max(2000)
    .optional()
    .describe('JMESPath about type, source, id, key, version, subject and data'),
  versions: record(eventType, typeVersion).default({}).describe('Versions in which types are handed out'),
  push: push.optional().describe('Posts events to this endpoint; without it they are pulled'),
  parallel: z.int().min(1).max(100).default(10).describe('Keys handed out at once'),
  maxAttempts: z.int().min(1).max(100).default(10),
  from: startingPoint.default('earliest').describe('Where a new consumer begins'),
})

/** A consumer. */
export const consumerView = z
  .object({
    name: z.string(),
    topic: z.string(),
    types: z.array(z.string()),
    keys: z.array(z.string()),
    sources: z.array(z.string()),
    condition: z.string().nullable(),
    versions: z.record(z.string(), z.int()),
    push: z.object({ url: z.string(), timeoutSeconds: z.int() }).nullable(),
    parallel: z.int(),
    maxAttempts: z.int(),
    paused: z.boolean(),
    full: z.boolean().describe('It has so many dead letters that nothing is handed out'),
    generation: z.int().describe('Raised by each seek'),
    settled: z.int().describe('All events up to this offset are settled'),
    lag: z.int().describe('Events of the topic behind `settled`'),
    lagMs: z.int().describe('The age of the oldest of them, in milliseconds'),
    skipped: z.int().describe('Events that the topic deleted before they were handed out'),
    retrying: z.int(),
    handedOut: z.int(),
    deadLetters: z.int(),
  })
  .meta({ id: 'Consumer' })

export const consumerList = z.object({ consumers: z.array(z.object({ name: z.string(), topic: z.string() })) })

/** `POST /v1/consumers/:name/seek`. */
export const seekRequest = z.strictObject({ to: startingPoint })

/** `POST /v1/consumers/:name/pull`. */
export const pullRequest = z.strictObject({
  max: z.int().min(1).max(100).default(10),
  waitSeconds: z.number().min(0).max(10).default(0),
  leaseSeconds: z.int().min(1).max(3600).default(30),
})

export const pulledEvents = z
  .object({
    lease: z.string().nullable().describe('Null when there are no events'),
    until: time.nullable(),
    events: z.array(
      z.object({ id: z.string().describe('The same on every attempt'), attempt: z.int(), event: storedEvent }),
    ),
  })
  .meta({ id: 'PulledEvents' })

/** `POST /v1/consumers/:name/acknowledge`. */
export const acknowledgeRequest = z.strictObject({
  lease: z.string().min(1).max(64),
  done: z.array(z.int().min(1)).max(100).default([]).describe('Offsets of events that were handled'),
  failed: z
    .array(
      z.strictObject({
        offset: z.int().min(1),
        reason: z.string().max(500).default(''),
        delaySeconds: z.number().min(0).max(86_400).optional(),
      }),
    )
    .max(100)
    .default([]),
})

const consumer = { consumer: topicName }

/**
 * `events.pull` over a socket. It waits for a shorter time than over HTTP: a command has 10 s for all that it does, and a call of an
 * actor of another Worker 5 s, of which 3 count as slow.
 */
export const pullCommand = z.strictObject({
  ...consumer,
  ...pullRequest.shape,
  waitSeconds: z.number().min(0).max(2).default(0),
})

/** `events.acknowledge` over a socket. */
export const acknowledgeCommand = z.strictObject({ ...consumer, ...acknowledgeRequest.shape })

export const acknowledged = z.object({
  late: z.array(z.int()).describe('Offsets whose lease was over: they are handed out again'),
})

/** `GET /v1/consumers/:name/dead-letters`. */
export const deadLettersQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const deadLetterPage = z.object({
  deadLetters: z.array(z.object({ event: storedEvent, attempts: z.int(), reason: z.string(), at: time })),
  next: z.int().nullable(),
})

export const deadLettersLimit = z.strictObject({ limit: z.int().min(1).max(1000).default(100) })
export const deadLettersMoved = z.object({ count: z.int() })
export const consumerSecrets = z.object({ secrets: z.array(z.string()) }).meta({ id: 'ConsumerSecrets' })

import { z } from 'zod'
import { isPlainText } from '../kernel/text.ts'
import { jsonUpTo } from './given-json.ts'
import { daySeconds } from './job-fields.ts'
import { notBoth } from './json-schema-rules.ts'
import { record } from './record.ts'

/** Bytes of an event's data. */
export const eventBytes = 65_536
/** Events in one request, and in one page. */
export const maxEvents = 1000
const maxExtensions = 20

export const topicName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits and _ . - only, at most 64, not only dots')

/** A topic that is read: also the one with Parley's own events. */
export const readTopicName = z
  .string()
  .regex(
    /^(?!\.\.?$)(?:[A-Za-z0-9_.-]{1,64}|\$parley)$/,
    'letters, digits and _ . - only, at most 64, not only dots; or $parley',
  )
const text = (length: number) => z.string().min(1).max(length).refine(isPlainText, 'must be well-formed Unicode')

export const eventType = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_./:-]{1,200}$/, 'letters, digits and _ . / : - only, at most 200')
export const eventSource = text(512)
export const eventId = text(256)
export const eventKey = text(256)
export const typeVersion = z.coerce.number().int().min(1).max(1_000_000)

const attributes = {
  source: eventSource,
  id: eventId,
  type: eventType,
  time: z.iso.datetime({ offset: true }).optional().describe('RFC 3339; the time of the append without it'),
  subject: text(512).optional(),
  datacontenttype: z.string().min(1).max(255).optional(),
  dataschema: z.string().min(1).max(2048).optional(),
  version: typeVersion.optional().describe('The version of the type; the newest registered without it'),
}

const plainFields = {
  type: attributes.type,
  key: eventKey.optional().describe('Events of one key keep their order'),
  version: attributes.version,
  id: attributes.id.optional().describe('With `source` the event’s identity; chosen for you without it'),
  time: attributes.time,
  source: attributes.source.default('/'),
  subject: attributes.subject,
}
const data = jsonUpTo(eventBytes).optional()

/** A plain event of `POST /v1/events`. */
export const plainEvent = z.strictObject({ ...plainFields, data })

const extension = z.union([z.string().max(1024), z.number(), z.boolean(), z.null()])
const cloudFields = {
  specversion: z.literal('1.0'),
  ...attributes,
  partitionkey: eventKey.optional().describe('Events of one key keep their order'),
  data_base64: z
    .base64()
    .max(Math.ceil((eventBytes * 4) / 3))
    .optional(),
}

/** An event in the JSON format of CloudEvents 1.0. Members that are not named here are extension attributes. */
export const cloudEvent = z
  .object({ ...cloudFields, data })
  .catchall(extension)
  .refine(
    (event) => Object.keys(extensionsOf(event)).every((name) => /^[a-z0-9]{1,64}$/.test(name)),
    'names of extension attributes: lower-case letters and digits, at most 64',
  )
  .refine(
    (event) => Object.keys(extensionsOf(event)).length <= maxExtensions,
    `at most ${maxExtensions} extension attributes`,
  )
  .refine((event) => event.data === undefined || event.data_base64 === undefined, 'data, data_base64: give one of them')

const coreNames = new Set(['specversion', ...Object.keys(attributes), 'partitionkey', 'data', 'data_base64', 'offset'])

/** The extension attributes of a CloudEvent that have a value. `offset` is ours when an event is handed out, and ignored. */
export const extensionsOf = (event: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(event).filter(
      (pair): pair is [string, string | number | boolean] =>
        !coreNames.has(pair[0]) && ['string', 'number', 'boolean'].includes(typeof pair[1]),
    ),
  )

const shownPlain = z.strictObject({ ...plainFields, data: z.unknown().optional() }).meta({ id: 'PlainEvent' })
const shownCloud = z
  .object({ ...cloudFields, data: z.unknown().optional() })
  .catchall(extension)
  .meta({ id: 'CloudEvent', allOf: [notBoth('data', 'data_base64')] })
/** The body of `POST /v1/events`, as documentation shows it; `readEvents` reads it. */
export const publishBody = z.union([
  shownPlain,
  shownCloud,
  z
    .array(z.union([shownPlain, shownCloud]))
    .min(1)
    .max(maxEvents),
])

/** The query of `POST /v1/events`. */
export const publishQuery = z.strictObject({ topic: topicName.default('default') })

/** The answer to `POST /v1/events`. */
export const publishedEvents = z
  .object({
    topic: z.string(),
    events: z.array(
      z.object({ id: z.string(), offset: z.int(), duplicate: z.boolean().describe('The event was there already') }),
    ),
  })
  .meta({ id: 'PublishedEvents' })

/** `GET /v1/events`. */
export const eventsQuery = z
  .strictObject({
    topic: readTopicName.default('default'),
    after: z.coerce.number().int().min(0).optional().describe('The events behind this offset'),
    since: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .describe('The events appended at this time or later, in milliseconds'),
    limit: z.coerce.number().int().min(1).max(500).default(100),
    as: z
      .string()
      .max(4000)
      .regex(/^[^@,]+@\d{1,7}(?:,[^@,]+@\d{1,7}){0,19}$/, 'type@version, at most 20 of them with commas in between')
      .optional()
      .describe('Versions to read types as: `order.placed@3,order.paid@2`'),
  })
  .refine(({ after, since }) => after === undefined || since === undefined, 'after, since: give one of them')
  .meta({ allOf: [notBoth('after', 'since')] })

/** An event as it is handed out: a CloudEvent with its offset. */
export const storedEvent = z
  .object({
    specversion: z.literal('1.0'),
    offset: z.int(),
    source: z.string(),
    id: z.string(),
    type: z.string(),
    time: z.string(),
    version: z.int(),
    partitionkey: z.string().optional(),
    data: z.unknown().optional(),
    data_base64: z.string().optional(),
    failure: z.string().optional().describe('Why the event is not there in the version asked for'),
  })
  .catchall(z.unknown())
  .meta({ id: 'StoredEvent' })

/** A page of events. */
export const eventPage = z.object({
  events: z.array(storedEvent),
  next: z.int().describe('The offset to continue after'),
  first: z.int().describe('The oldest offset that is kept'),
  top: z.int().describe('The newest offset'),
})

/** `PUT /v1/event-topics/:name`. */
export const topicSettings = z.strictObject({
  maxAgeSeconds: z
    .int()
    .min(60)
    .max(366 * daySeconds)
    .default(7 * daySeconds),
  maxBytes: z.int().min(65_536).max(5_368_709_120).default(1_073_741_824),
})

/** A topic of events. */
export const eventTopic = z
  .object({
    name: z.string(),
    ...topicSettings.shape,
    first: z.int(),
    top: z.int(),
    bytes: z.int(),
    consumers: z.array(z.string()),
    waits: z.int(),
  })
  .meta({ id: 'EventTopic' })

export const eventTopicList = z.object({ topics: z.array(z.string()) })

const compatibility = z.enum(['backward', 'forward', 'full', 'none'])

/** `PUT /v1/event-types/:type/versions/:version`. */
export const newTypeVersion = z.strictObject({
  schema: z.union([z.boolean(), record(z.string(), z.unknown())]).describe('JSON Schema 2020-12'),
  compatibility: compatibility.default('backward'),
  upcast: z
    .string()
    .min(1)
    .max(2000)
    .optional()
    .describe('JMESPath: data of the version before → data of this version'),
})

/** A registered version of a type. */
export const eventTypeVersion = z
  .object({
    version: z.int(),
    schema: z.unknown(),
    compatibility,
    upcast: z.string().nullable(),
  })
  .meta({ id: 'EventTypeVersion' })

/** A registered type. */
export const eventTypeView = z
  .object({ type: z.string(), versions: z.array(eventTypeVersion) })
  .meta({ id: 'EventType' })

export const eventTypeList = z.object({
  types: z.array(z.object({ type: z.string(), newest: z.int() })),
  next: z.string().nullable(),
})

export const eventTypesQuery = z.strictObject({
  cursor: eventType.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

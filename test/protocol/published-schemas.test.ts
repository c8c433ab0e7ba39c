import { expect, test } from 'vitest'
import { z } from 'zod'
import { newConversation } from '../../src/protocol/api.ts'
import { jobReport } from '../../src/protocol/jobs-api.ts'
import { newJob, newJobs } from '../../src/protocol/new-job.ts'
import { newSchedule } from '../../src/protocol/schedules-api.ts'

const loose = z.looseObject({
  type: z.string().optional(),
  const: z.unknown().optional(),
  required: z.array(z.string()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  maxProperties: z.number().optional(),
  dependentRequired: z.record(z.string(), z.array(z.string())).optional(),
  allOf: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  not: z.unknown().optional(),
})

/** Whether a value is valid, by those keywords of JSON Schema 2020-12 that say rules between fields and sizes. */
function isValid(described: unknown, value: unknown): boolean {
  const schema = loose.parse(described)
  const all = (schemas: readonly unknown[] = []) => schemas.map((one) => isValid(one, value))
  return (
    (schema.const === undefined || schema.const === value) &&
    all(schema.allOf).every(Boolean) &&
    (schema.anyOf === undefined || all(schema.anyOf).some(Boolean)) &&
    (schema.oneOf === undefined || all(schema.oneOf).filter(Boolean).length === 1) &&
    (schema.not === undefined || !isValid(schema.not, value)) &&
    (Array.isArray(value) ? isValidList(schema, value) : typeof value !== 'object' || isValidObject(schema, value))
  )
}

function isValidList({ items, minItems = 0, maxItems = Infinity }: z.output<typeof loose>, list: unknown[]): boolean {
  return (
    list.length >= minItems &&
    list.length <= maxItems &&
    (items === undefined || list.every((one) => isValid(items, one)))
  )
}

function isValidObject(
  { required = [], properties = {}, maxProperties = Infinity, dependentRequired = {} }: z.output<typeof loose>,
  value: object | null,
): boolean {
  const given = Object.entries(value ?? {})
  const has = (field: string) => given.some(([name]) => name === field)
  return (
    given.length <= maxProperties &&
    required.every(has) &&
    given.every(([name, one]) => properties[name] === undefined || isValid(properties[name], one)) &&
    Object.entries(dependentRequired).every(([name, needed]) => !has(name) || needed.every(has))
  )
}

const url = 'https://example.com/hook'
const direct = { type: 'direct', members: ['ana', 'ben'] }
const perError = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`e${n}`, { seconds: 1 }]))

const accepted: readonly (readonly [what: string, schema: z.ZodType, body: object])[] = [
  ['a direct conversation', newConversation, direct],
  ['a group with an id', newConversation, { type: 'group', id: 'g', name: 'Lunch', members: ['ana'] }],
  ['an http job', newJob, { url }],
  ['a join', newJob, { type: 'join', after: ['a'] }],
  ['a job with a rate for its key', newJob, { url, key: 'k', rate: { count: 1, seconds: 1 } }],
  ['a debounced job', newJob, { url, unique: { name: 'u', mode: 'debounce', seconds: 1 } }],
  ['a schedule by cron', newSchedule, { cron: '0 9 * * *', timeZone: 'UTC', job: { url } }],
  ['a schedule by interval', newSchedule, { everySeconds: 60, job: { type: 'join' } }],
  ['progress', jobReport, { progress: 1 }],
]

const refused: readonly (readonly [what: string, schema: z.ZodType, body: object])[] = [
  ['a direct conversation with a name', newConversation, { ...direct, name: 'Us' }],
  ['a direct conversation with an id', newConversation, { ...direct, id: 'us' }],
  ['an http job without url', newJob, {}],
  ['an http job without url, said so', newJob, { type: 'http' }],
  ['a join with url', newJob, { type: 'join', url }],
  ['a rate without key', newJob, { url, rate: { count: 1, seconds: 1 } }],
  ['a concurrency without key', newJob, { url, concurrency: 1 }],
  ['two times', newJob, { url, delaySeconds: 1, runAt: 1 }],
  ['a batch with such a job', newJobs, { jobs: [{ url }, { type: 'join', url }] }],
  ['debounce without seconds', newJob, { url, unique: { name: 'u', mode: 'debounce' } }],
  ['reject with seconds', newJob, { url, unique: { name: 'u', mode: 'reject', seconds: 1 } }],
  ['waits for too many kinds of errors', newJob, { url, backoff: { perError } }],
  ['a schedule without a time', newSchedule, { job: { url } }],
  ['a schedule with two times', newSchedule, { cron: '0 9 * * *', everySeconds: 60, job: { url } }],
  ['a time zone without cron', newSchedule, { everySeconds: 60, timeZone: 'UTC', job: { url } }],
  ['a schedule of a join with url', newSchedule, { everySeconds: 60, job: { type: 'join', url } }],
  ['no progress', jobReport, {}],
]

const published = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })

test.each(accepted)('the code and the published schema both take %s', (_, schema, body) => {
  expect([schema.safeParse(body).success, isValid(published(schema), body)]).toEqual([true, true])
})

test.each(refused)('the code and the published schema both refuse %s', (_, schema, body) => {
  expect([schema.safeParse(body).success, isValid(published(schema), body)]).toEqual([false, false])
})

test.each([[['a', 'b', 'c']], [[]]])(
  'the published schema says that a direct conversation is of two: not %j',
  (members) => {
    expect(isValid(published(newConversation), { type: 'direct', members })).toBe(false)
  },
)

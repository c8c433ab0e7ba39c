import { z } from 'zod'
import { closes, unsubscribes } from '../../protocol/close-codes.ts'
import { errors } from '../../protocol/errors.ts'
import { problems } from '../../protocol/problems.ts'
import { tableOf } from './markdown.ts'
import { realtimeData, realtimeMethods } from './realtime.ts'

/** What is said above the reference of the HTTP API, in Markdown. */
export const apiPage = (host: string, key: string): string => `# Parley API

Every request carries \`Authorization: Bearer <API key or user token>\`. Bodies are JSON; unknown fields are refused.
Errors are [problems](/docs/errors) (RFC 9457) that name the field, the rule and the fix.
All operations with their fields are in [/openapi.json](/openapi.json) (OpenAPI 3.1).

\`\`\`sh
# a token for Alice, with your API key
curl -s ${host}/v1/tokens -H 'Authorization: Bearer ${key}' -d '{"user":"alice"}'

# a conversation, and a message in it
curl -s ${host}/v1/conversations -H 'Authorization: Bearer ${key}' \\
  -d '{"type":"group","name":"Lunch","members":["alice","bob"]}'
curl -s ${host}/v1/conversations/<id>/messages -H 'Authorization: Bearer ${key}' \\
  -d '{"clientId":"1","text":"Hungry?","user":"alice"}'
\`\`\`
`

/** The realtime interface, in Markdown. */
export const realtimePage = (host: string): string => `# Parley realtime

One WebSocket at \`/connection/websocket\` speaks the Centrifuge protocol: its SDKs work unmodified. A conversation is the channel
\`conversation:<id>\`; the seq of an entry is the offset of its publication. The channel of a user is \`user:#<user>\`. Networks without
WebSockets use \`/connection/sse\` or \`/connection/http_stream\`.

\`\`\`js
import { Centrifuge } from 'centrifuge'

const client = new Centrifuge('ws://${host}/connection/websocket', { token })
const lunch = client.newSubscription('conversation:<id>', { recoverable: true })
lunch.on('publication', ({ data, offset }) => console.log(offset, data))
lunch.subscribe()
client.connect()
const message = { conversation: '<id>', clientId: crypto.randomUUID(), text: 'Hello' }
await client.rpc('message.send', message)
\`\`\`

## Methods

Called with \`client.rpc(method, data)\`.

${realtimeMethods
  .map(
    ({ method, summary, data, result }) =>
      `### ${anchor(method)}\`${method}\`\n\n${summary}\n\n${fieldTable('Data', data, 'input')}\n\n${fieldTable('Result', result, 'output')}\n`,
  )
  .join('\n')}
${realtimeData
  .map(
    ({ id, title, text, schemas }) =>
      `## ${anchor(id)}${title}\n\n${text.replaceAll('<', '\\<')}\n\n${Object.entries(schemas)
        .map(
          ([type, schema]) => `### ${anchor(`${id}-${type}`)}\`${type}\`\n\n${fieldTable('Field', schema, 'output')}\n`,
        )
        .join('\n')}`,
  )
  .join('\n')}`

/** All errors and close codes, in Markdown. */
export const errorsPage = (): string => `# Parley: errors and close codes

## HTTP problems

${tableOf(
  ['type', 'Status', 'Meaning'],
  Object.entries(problems).map(([name, { status, title }]) => [`${anchor(name)}\`${name}\``, `${status}`, title]),
)}

## Error replies of connections

${tableOf(
  ['Code', 'Message', 'Worth repeating'],
  Object.values(errors).map(({ code, message, temporary }) => [`${code}`, message, temporary ? 'yes, later' : 'no']),
)}

## Why a connection or subscription ends

${tableOf(
  ['Code', 'Reason', 'The SDK'],
  [
    ...Object.values(closes).map(({ code, reason }) => [
      `${code}`,
      reason,
      code < 3500 ? 'connects again' : 'stays away',
    ]),
    ...Object.values(unsubscribes).map(({ code, reason }) => [
      `${code}`,
      reason,
      code < 2500 ? 'stays unsubscribed' : 'subscribes again',
    ]),
  ],
)}
`

/** A place that links lead to, by a name that is no heading's own. */
const anchor = (id: string): string => `<a id="${id}"></a>`

/** The fields of an object schema: name, type, and what is said of it. */
function fieldTable(heading: string, schema: z.ZodType, side: 'input' | 'output'): string {
  const { properties, required } = fieldsOf(schema, side)
  return tableOf(
    [heading, 'Type', 'Description'],
    Object.entries(properties).map(([name, one]) => [
      `\`${name}\``,
      `${typeOf(one)}${required.includes(name) ? '' : ', optional'}`,
      one.description ?? '',
    ]),
  )
}

const field = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.looseObject({ type: z.string().optional() })).optional(),
  $ref: z.string().optional(),
  description: z.string().optional(),
})
const fields = z.looseObject({
  properties: z.record(z.string(), field).default({}),
  required: z.array(z.string()).default([]),
})
const referring = z.looseObject({ $ref: z.string().optional(), $defs: z.record(z.string(), z.unknown()).optional() })

function fieldsOf(schema: z.ZodType, io: 'input' | 'output'): z.output<typeof fields> {
  const json = referring.parse(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))
  return fields.parse(json.$ref === undefined ? json : json.$defs?.[json.$ref.replace('#/$defs/', '')])
}

function typeOf({ type, const: value, enum: values, anyOf, $ref }: z.output<typeof field>): string {
  if (value !== undefined) return JSON.stringify(value)
  if (values !== undefined) return values.map((one) => JSON.stringify(one)).join(' | ')
  if ($ref !== undefined) return $ref.replace('#/$defs/', '')
  if (anyOf !== undefined) return anyOf.map((one) => one.type ?? 'object').join(' | ')
  return type === undefined ? 'JSON' : [type].flat().join(' | ')
}

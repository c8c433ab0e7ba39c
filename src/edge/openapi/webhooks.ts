import { z } from 'zod'
import { ownEvents } from './own-events.ts'
import type { Components } from './components.ts'

/** What a webhook gets: a CloudEvent in the JSON format. */
const eventFields = {
  specversion: z.literal('1.0'),
  offset: z.int().describe('Its place in the topic $parley; higher ones were published later'),
  source: z.string().describe('With `id` the identity of the event'),
  id: z.string(),
  time: z.string().describe('RFC 3339'),
  version: z.literal(1).describe('The version of the type'),
  partitionkey: z.string().optional().describe('The conversation: with `ordered` events of one keep their order'),
  subject: z.string().optional(),
}

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
})
const parameters = [
  header('webhook-id', 'The same for each attempt of an event, and for its replays'),
  header('webhook-timestamp', 'Seconds since the epoch'),
  header(
    'webhook-signature',
    'Standard Webhooks: `v1,` and the HMAC-SHA256 of id, timestamp and body; one for each secret',
  ),
  header('parley-attempt', '1 for the first attempt'),
]

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

/** The section `webhooks` of the document: Parley's own events as endpoints of the tenant get them. */
export const webhookSection = (components: Components) =>
  Object.fromEntries(
    Object.entries(ownEvents).map(([type, { when, data }]) => {
      const schema = z.object({ ...eventFields, type: z.literal(type), data })
      const name = `${type.split('.').map(capital).join('')}Event`
      const post = {
        operationId: `on${name}`,
        summary: when,
        tags: ['Webhooks'],
        security: [],
        parameters,
        requestBody: {
          required: true,
          content: { 'application/cloudevents+json': { schema: components.output(schema, name) } },
        },
        responses: {
          '2XX': { description: 'Taken' },
          410: { description: 'The endpoint is gone: the webhook is disabled' },
          default: { description: 'Not taken: it is tried again' },
        },
      }
      return [type, { post }]
    }),
  )

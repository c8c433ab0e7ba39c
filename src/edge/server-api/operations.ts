import { z } from 'zod'
import { subscriber } from '../../protocol/conversation-views.ts'
import type { OperationDefinition } from '../../protocol/operation.ts'
import { serverApiBatch, serverApiRequests, type ServerApiMethod } from '../../protocol/server-api.ts'

const error = z
  .object({ code: z.int(), message: z.string(), detail: z.string().optional() })
  .meta({ id: 'ServerApiError' })
const failed = z.object({ error })
const position = z.object({ offset: z.int().optional(), epoch: z.string().optional() })
const publication = z
  .object({
    data: z.unknown(),
    offset: z.int().optional(),
    tags: z.record(z.string(), z.string()).optional(),
    info: subscriber.optional(),
  })
  .meta({ id: 'Publication' })
const empty = z.object({})

const results: Readonly<Record<ServerApiMethod, readonly [summary: string, result: z.ZodType]>> = {
  publish: ['Publish in a topic', position],
  broadcast: [
    'Publish the same data in many topics',
    z.object({ responses: z.array(z.union([z.object({ result: position }), failed])) }),
  ],
  subscribe: ['Subscribe the connections of a user to a channel', empty],
  unsubscribe: ['End the subscriptions of a user to a channel, or with "" to all', empty],
  disconnect: ['End the connections of a user', empty],
  refresh: ['Change when the connections of a user expire, or end them as expired', empty],
  presence: [
    'Read the subscribers of a channel by connection',
    z.object({ presence: z.record(z.string(), subscriber) }),
  ],
  presence_stats: ['Count the subscribers of a channel', z.object({ num_clients: z.int(), num_users: z.int() })],
  history: [
    'Read a page of a topic or conversation',
    z.object({ publications: z.array(publication), offset: z.int(), epoch: z.string() }),
  ],
  history_remove: ['Remove the history of a topic', empty],
  channels: [
    'List channels with subscribers; * in the pattern stands for any characters',
    z.object({ channels: z.record(z.string(), z.object({ num_clients: z.int() })) }),
  ],
  info: [
    'List the gateways, each with your share of it',
    z.object({ nodes: z.array(z.looseObject({ name: z.string() })) }),
  ],
}

const operationOf = (
  method: string,
  summary: string,
  response: z.ZodType,
  body: z.ZodType,
  example?: OperationDefinition['example'],
): OperationDefinition => ({
  id: `serverApi${method.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
  method: 'post',
  path: `/api/${method}`,
  tag: 'Server API',
  summary,
  access: 'server',
  body,
  optionalBody: true,
  responses: { 200: response },
  ...(example === undefined ? {} : { example }),
})

const methods = Object.keys(serverApiRequests).filter((name): name is ServerApiMethod => name in serverApiRequests)

const examples: Partial<Record<ServerApiMethod, OperationDefinition['example']>> = {
  publish: {
    body: { channel: 'orders:42', data: { state: 'paid' } },
    response: { result: { offset: 7, epoch: 'f3a1' } },
  },
}

/** The operations of /api, in Centrifugo's shape, for the OpenAPI document. */
export const serverApiOperations: readonly OperationDefinition[] = [
  ...methods.map((method) => {
    const [summary, result] = results[method]
    return operationOf(
      method,
      summary,
      z.union([z.object({ result }), failed]),
      serverApiRequests[method],
      examples[method],
    )
  }),
  operationOf(
    'batch',
    'Run many of these in one call, in order',
    z.union([z.object({ replies: z.array(z.record(z.string(), z.unknown())) }), failed]),
    serverApiBatch,
  ),
]

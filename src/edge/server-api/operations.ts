import { serverApiBatch, serverApiRequests, type ServerApiMethod } from '../../protocol/server-api.ts'
import type { Operation } from '../openapi/openapi.ts'

const says: Readonly<Record<ServerApiMethod, readonly [summary: string, result: string]>> = {
  publish: ['Publish in a topic', '{offset, epoch}'],
  broadcast: ['Publish the same in many topics', '{responses}, one for each channel'],
  subscribe: ['Make a user’s connections listen to a channel', '{}'],
  unsubscribe: ['End a user’s subscriptions to a channel, or with "" to all', '{}'],
  disconnect: ['End a user’s connections', '{}'],
  refresh: ['Move the end of a user’s connections, or end them as expired', '{}'],
  presence: ['Who listens, by connection', '{presence}'],
  presence_stats: ['How many listen', '{num_clients, num_users}'],
  history: ['A page of what a topic or conversation holds', '{publications, offset, epoch}'],
  history_remove: ['Forget what was said in a topic', '{}'],
  channels: ['Channels with listeners; * in the pattern stands for any characters', '{channels}'],
  info: ['The gateways, each with your share of it', '{nodes}'],
}

const operation = (method: string, summary: string, result: string, body: Operation['body']): Operation => ({
  method: 'post',
  path: `/api/${method}`,
  tag: 'Server API',
  summary,
  ...(body === undefined ? {} : { body }),
  success: { status: 200, says: `${result} or {"error": {code, message, detail}}` },
})

const methods = Object.keys(serverApiRequests).filter((name): name is ServerApiMethod => name in serverApiRequests)

/** The operations of /api, in Centrifugo's shape, for the OpenAPI document. All need an API key. */
export const serverApiOperations: readonly Operation[] = [
  ...methods.map((method) => {
    const [summary, result] = says[method]
    return operation(method, summary, `{"result": ${result}}`, serverApiRequests[method])
  }),
  operation('batch', 'Many of these in one call, in order', '{replies}', serverApiBatch),
]

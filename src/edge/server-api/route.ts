import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ErrorName } from '../../protocol/errors.ts'
import { serverApiCommands, serverApiEnvelope, toServerApiError } from '../../protocol/server-api.ts'
import type { App } from '../http/context.ts'
import { bodies, bodyOrNothing } from '../http/input.ts'
import { takeItems } from '../rate-limits/items.ts'
import { byApiKey, server } from '../middleware/authenticate.ts'
import { limitRequests } from '../middleware/limit-requests.ts'
import { fail } from '../http/problem.ts'
import { answer, encodeReply, run } from './commands.ts'

/** A key as Centrifugo's libraries show it: `X-API-Key`, or `Authorization: apikey …`; ours, `Bearer`, as well. */
const authenticateServer = () =>
  createMiddleware<App>(async function authenticateServer(c, next) {
    const shown = /^(?:apikey|bearer) +(\S{1,512})$/i.exec(c.req.header('authorization') ?? '')?.[1]
    const key = c.req.header('x-api-key') ?? shown
    if (key === undefined) return fail('unauthorized', 'X-API-Key: give the API key')
    c.set('principal', await byApiKey(c, key))
    return await next()
  })

/** The answer to a command that had an id repeats it. */
const withId = (id: number, reply: string): string => (id === 0 ? reply : `{"id":${id},${reply.slice(1)}`)

/** Statuses of errors for those who ask for them by `X-Centrifugo-Error-Mode: transport`; others are 500. */
const statuses: Partial<Record<ErrorName, 400 | 403 | 404 | 416 | 429>> = {
  unknownChannel: 404,
  methodNotFound: 404,
  badRequest: 400,
  notAvailable: 400,
  limitExceeded: 400,
  permissionDenied: 403,
  unrecoverablePosition: 416,
  tooManyRequests: 429,
}

const json = { 'Content-Type': 'application/json' }

/** The server API in Centrifugo's shape, so that its server libraries work. Errors are answers with status 200. */
export const serverApi = new Hono<App>()
  .use(authenticateServer(), limitRequests())
  .post('/', async (c) => {
    const replies: string[] = []
    const commands = await bodies(c, serverApiEnvelope, serverApiCommands)
    await takeItems(c.env, server(c), commands.length)
    for (const { id, method, params } of commands)
      replies.push(withId(id, await answer(c.env, server(c), method, params)))
    return c.body(replies.join('\n'), 200, json)
  })
  .post('/:method', async (c) => {
    const params = await bodyOrNothing(c)
    const method = c.req.param('method')
    const result = await run(c.env, server(c), method, params)
    if (typeof result !== 'string' && c.req.header('x-centrifugo-error-mode') === 'transport')
      return c.json(toServerApiError(result), statuses[result.error] ?? 500)
    return c.body(encodeReply(method, result), 200, json)
  })

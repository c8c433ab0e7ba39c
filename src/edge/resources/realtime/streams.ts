import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { z } from 'zod'
import { gatewayNamed } from '../../../../durable-objects/address.ts'
import { loadConfig } from '../../../config.ts'
import { parseJson } from '../../../protocol/parse-frame.ts'
import type { StreamKind } from '../../../protocol/frames.ts'
import { sizes } from '../../../protocol/limits.ts'
import { foreignOrigin } from '../../../protocol/origins.ts'
import { readMessage } from '../../../protocol/protobuf/read.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import { countedAddress } from '../../identity/client-address.ts'
import { fullWaitMs, gatewayFor } from '../../http/connection.ts'
import type { App, AppContext } from '../../http/context.ts'
import { bearsAnother, holdConnection } from '../../http/hold-connection.ts'
import { takeConnect } from '../../rate-limits/platform-limits.ts'
import { fail, ProblemError } from '../../http/problem.ts'
import { gatewayNames } from '../../../realtime/gateway-names.ts'

/** Content type of everything that is Protobuf. */
const binary = 'application/octet-stream'
/** JSON, one reply or frame a line. Cloudflare and Miniflare compress `application/json`, and gather what they compress. */
const lines = 'application/x-ndjson'
/** Pages anywhere may connect: what lets a client in is its token, and no browser sends that by itself. */
const fromAnywhere = cors({
  origin: '*',
  allowMethods: ['GET', 'POST'],
  allowHeaders: ['Content-Type'],
  maxAge: 86_400,
})

/** The Centrifuge protocol for networks that let no WebSocket through: hearing by an endless answer, speaking by posts. */
export const streams = new Hono<App>()
  .use('/connection/sse', fromAnywhere)
  .use('/connection/http_stream', fromAnywhere)
  .use('/emulation', fromAnywhere)
  .get('/connection/sse', async (c) => {
    const first = c.req.query('cf_connect') ?? fail('invalid-request', 'cf_connect: the connect command is missing')
    return await open(c, { kind: 'sse', first, type: 'text/event-stream' })
  })
  .post('/connection/http_stream', async (c) => {
    const first = await requestBody(c, sizes.frameBytes)
    if (isBinary(c)) return await open(c, { kind: 'messages', first, type: binary })
    return await open(c, { kind: 'lines', first: textOf(first), type: lines })
  })
  .post('/emulation', async (c) => {
    const { node, session, data } = await posted(c)
    const gateway = gatewayOf(c, node)
    const received =
      gateway === undefined ? 'elsewhere' : await gatewayNamed(c.env, gateway).receive(node, session, data)
    return received === 'elsewhere' ? fail('not-found', 'no such node: connect again') : c.body(null, 204)
  })

/** A connection as its client asked for it: how it wants to hear, and what it says first. */
interface Opening {
  readonly kind: StreamKind
  readonly first: string | Uint8Array<ArrayBuffer>
  readonly type: string
}

async function open(c: AppContext, { kind, first, type }: Opening): Promise<Response> {
  const address = countedAddress(c.req.raw, c.env)
  const waitMs = await takeConnect(c.env, address)
  if (waitMs > 0)
    throw new ProblemError({ name: 'too-many-requests', detail: `connects: wait ${waitMs} ms`, retryAfterMs: waitMs })
  if (!bearsAnother(c.env))
    throw new ProblemError({
      name: 'unavailable',
      detail: 'connections: this server has as many as it bears',
      retryAfterMs: fullWaitMs(),
    })
  const origin = foreignOrigin(c.req.header('origin'), [c.req.url])
  const passed = new Headers()
  if (address !== undefined) passed.set('cf-connecting-ip', address)
  if (origin !== '') passed.set('origin', origin)
  const gateway = gatewayFor(c.req.raw, c.env)
  const opened = await holdConnection(c, gateway, `http://gateway/${kind}`, {
    method: 'POST',
    body: first,
    headers: passed,
  })
  // A proxy that gathered the answer before passing it on would hold back everything there is to hear.
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no' }
  return c.newResponse(opened.body, 200, headers)
}

const post = z.object({ node: z.string().max(200), session: z.string().max(200), data: z.string() })
const binaryPost = post.extend({ data: z.instanceof(Uint8Array) })

/** What was posted: commands in JSON are a text within JSON, which may take twice their size. */
async function posted(c: AppContext): Promise<z.output<typeof post> | z.output<typeof binaryPost>> {
  const body = await requestBody(c, 2 * sizes.frameBytes + 1024)
  const parsed = isBinary(c) ? binaryPost.safeParse(messageIn(body)) : post.safeParse(parseJson(textOf(body)))
  return parsed.success ? parsed.data : fail('invalid-request', 'node, session and data are missing or no text')
}

function messageIn(body: Uint8Array): unknown {
  try {
    return readMessage('EmulationRequest', body)
  } catch {
    return undefined
  }
}

/** The gateway in a node's name, if there is one of that name: a client must not create gateways. */
function gatewayOf({ env }: AppContext, node: string): string | undefined {
  const name = node.slice(0, node.lastIndexOf('/'))
  return gatewayNames(loadConfig(env)).includes(name) ? name : undefined
}

const isBinary = (c: AppContext) => c.req.header('content-type')?.startsWith(binary) === true

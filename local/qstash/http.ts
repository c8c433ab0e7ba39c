import { createHash, timingSafeEqual } from 'node:crypto'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import { type HeaderLists, canonical, firstValue } from './header.ts'

/** The largest request, enough for a batch of many messages. */
const MAX_BODY_BYTES = 32 * 1024 * 1024

/** Answered as `{"error": message}` with `status`. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The request is wrong. The message names the field, the rule and what was given. */
export class BadRequest extends HttpError {
  constructor(message: string) {
    super(400, message)
  }
}

export interface Call {
  readonly method: string
  /** The target of the request line unchanged: it contains the destination byte for byte. */
  readonly target: string
  readonly path: string
  readonly query: URLSearchParams
  readonly header: HeaderLists
  readonly body: Buffer
  readonly callerIp: string
}

/** An answer. Without a body it is empty. */
export interface Answer {
  readonly status: number
  readonly body?: object
}

interface HttpOptions {
  readonly route: (call: Call) => Answer
  /** The bearer token of the clients. */
  readonly token: string
  readonly log: (line: string) => void
}

/** An HTTP server that checks the token, calls `route` and writes answers and errors as JSON. */
export function httpServer(options: HttpOptions): Server {
  return createServer((request, response) => {
    void handle(options, request).then(({ status, body }) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      const type = body === undefined ? {} : { 'Content-Type': 'application/json' }
      response.writeHead(status, { ...type, 'Content-Length': Buffer.byteLength(text) }).end(text)
    })
  })
}

async function handle({ route, token, log }: HttpOptions, request: IncomingMessage): Promise<Answer> {
  try {
    const call = await read(request)
    const given = firstValue(call.header, 'Authorization') ?? ''
    if (!timingSafeEqual(digest(given), digest(`Bearer ${token}`))) throw new HttpError(401, 'unauthorized')
    return route(call)
  } catch (error) {
    if (error instanceof HttpError) return { status: error.status, body: { error: error.message } }
    log(`qstash: ${request.method} ${request.url}: ${String(error)}`)
    return { status: 500, body: { error: 'internal error' } }
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest()

async function read(request: IncomingMessage): Promise<Call> {
  const target = request.url ?? '/'
  const [path = '', ...query] = target.split('?')
  const headers = Object.entries(request.headersDistinct)
  return {
    method: request.method ?? 'GET',
    target,
    path,
    query: new URLSearchParams(query.join('?')),
    header: canonical(headers.map(([name, values]) => [name, values ?? []])),
    body: await readBody(request),
    callerIp: request.socket.remoteAddress ?? '',
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) throw new HttpError(413, `body: at most ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

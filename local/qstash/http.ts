import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { canonical, firstValue } from './header.ts'
import { Refusal } from './refusal.ts'
import { type Answer, type Call, dispatch, type Route } from './router.ts'

/** The largest request taken: a batch of many messages fits. */
const LARGEST_BODY = 32 * 1024 * 1024

export interface HttpOptions {
  routes: readonly Route[]
  /** What must follow `Authorization: Bearer`. */
  token: string
  log: (line: string) => void
}

/** The HTTP face: reads requests, checks the token, writes answers and refusals. */
export function httpServer(options: HttpOptions): Server {
  return createServer((request, response) => {
    void handle(options, request).then((result) => write(response, result))
  })
}

async function handle({ routes, token, log }: HttpOptions, request: IncomingMessage): Promise<Answer> {
  try {
    const call = await read(request)
    if (!carriesToken(call, token)) throw new Refusal(401, 'unauthorized')
    return dispatch(routes, call)
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, body: { error: error.message } }
    log(`qstash: ${request.method} ${request.url}: ${String(error)}`)
    return { status: 500, body: { error: 'internal error' } }
  }
}

async function read(request: IncomingMessage): Promise<Call> {
  const target = request.url ?? '/'
  const headers = Object.entries(request.headersDistinct)
  return {
    method: request.method ?? 'GET',
    target,
    query: new URLSearchParams(target.split('?').slice(1).join('?')),
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
    if (size > LARGEST_BODY) throw new Refusal(413, 'message is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function carriesToken({ header }: Call, token: string): boolean {
  const given = firstValue(header, 'Authorization') ?? ''
  return timingSafeEqual(digest(given), digest(`Bearer ${token}`))
}

const digest = (text: string) => createHash('sha256').update(text).digest()

function write(response: ServerResponse, { status, body }: Answer): void {
  if (body === undefined) {
    response.writeHead(status, { 'Content-Length': 0 }).end()
    return
  }
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    .end(text)
}

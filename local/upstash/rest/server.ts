import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { Backend } from '../backend.ts'
import { type Bytes, toText } from '../bytes.ts'
import { type Reply, failure } from '../reply.ts'
import { type Answer, type Encoding, answerOf } from './answer.ts'
import { type Call, readCall } from './call.ts'
import { streamEvents } from './events.ts'
import { unavailable } from './unavailable.ts'

/** Upstash's own limit on a request. */
const MAX_REQUEST_BYTES = 10 * 1024 * 1024

/** The HTTP face of a backend; the caller listens on it and closes it. */
export function restServer(backend: Backend, token: string): Server {
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const method = request.method ?? 'GET'
    if (!['GET', 'HEAD', 'POST', 'PUT'].includes(method))
      return send(response, 405, { error: 'ERR method not allowed' })
    if (!isAllowed(request, url, token)) return send(response, 401, { error: wrongToken })

    const body = await readBody(request)
    if (body === undefined) return send(response, 413, { error: 'ERR max request size exceeded' })
    return answer(backend, readCall(url, method, body), encodingOf(request), response)
  }

  return createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error)
      if (response.headersSent) response.destroy()
      else send(response, 500, { error: `ERR ${why}` })
    })
  })
}

const wrongToken = 'WRONGPASS invalid or missing auth token'

function isAllowed(request: IncomingMessage, url: URL, token: string): boolean {
  const [scheme = '', given] = (request.headers.authorization ?? '').split(' ')
  return scheme.toLowerCase() === 'bearer' ? given === token : url.searchParams.get('_token') === token
}

async function answer(backend: Backend, call: Call, encoding: Encoding, response: ServerResponse): Promise<void> {
  switch (call.kind) {
    case 'malformed':
      return send(response, 400, { error: call.why })
    case 'subscription':
      return streamEvents(backend, call.how, call.names, response)
    case 'command': {
      const [reply = null] = await runAvailable(backend, [call.command])
      return sendOne(response, answerOf(reply, encoding))
    }
    case 'pipeline': {
      const replies = await runAvailable(backend, call.commands)
      return send(
        response,
        200,
        replies.map((reply) => answerOf(reply, encoding)),
      )
    }
    case 'transaction': {
      const reply = await runTransaction(backend, call.commands)
      if (!Array.isArray(reply)) return sendOne(response, answerOf(reply, encoding))
      return send(
        response,
        200,
        reply.map((item) => answerOf(item, encoding)),
      )
    }
  }
}

/** Asks the backend what may be asked and keeps the refusals of the rest in their places. */
async function runAvailable(backend: Backend, commands: Bytes[][]): Promise<Reply[]> {
  const replies = (await backend.pipeline(commands.filter((command) => unavailable(command) === undefined))).values()
  return commands.map((command) => {
    const refusal = unavailable(command)
    return refusal === undefined ? (replies.next().value ?? null) : failure(refusal)
  })
}

async function runTransaction(backend: Backend, commands: Bytes[][]): Promise<Reply> {
  const refusal = commands.map(unavailable).find((why) => why !== undefined)
  return refusal === undefined
    ? backend.transaction(commands)
    : failure(`EXECABORT Transaction discarded because of: ${toText(refusal)}`)
}

/** The raw bytes of a request's body; undefined if there are too many. */
async function readBody(request: IncomingMessage): Promise<Bytes | undefined> {
  const chunks: string[] = []
  let size = 0
  request.setEncoding('latin1')
  for await (const chunk of request) {
    const text = String(chunk)
    size += text.length
    // The rest is still read: leaving the loop would cut the connection before the client has its answer.
    if (size <= MAX_REQUEST_BYTES) chunks.push(text)
  }
  return size > MAX_REQUEST_BYTES ? undefined : chunks.join('')
}

function encodingOf(request: IncomingMessage): Encoding {
  return request.headers['upstash-encoding'] === 'base64' ? 'base64' : 'text'
}

function sendOne(response: ServerResponse, answer: Answer): void {
  send(response, 'error' in answer ? 400 : 200, answer)
}

let answers = 0

function send(response: ServerResponse, status: number, body: Answer | Answer[]): void {
  answers += 1
  // The SDK sends the last token back with each request so as to read its own writes; one node always can.
  response.writeHead(status, { 'content-type': 'application/json', 'upstash-sync-token': `local=${answers}` })
  response.end(JSON.stringify(body))
}

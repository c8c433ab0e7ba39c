import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { z } from 'zod'
import { type Backend, type Bytes, type Reply, failure, toBytes, toText } from './reply.ts'

/** Upstash's own limit on a request. */
const MAX_REQUEST_BYTES = 10 * 1024 * 1024

type Encoding = 'base64' | 'utf8'
type Json = string | number | null | Json[]
/** The JSON of one command's answer. */
type Answer = { readonly result: Json } | { readonly error: string }

/** What an HTTP request asks for. */
type Call =
  | { readonly kind: 'command'; readonly command: Bytes[] }
  | { readonly kind: 'pipeline' | 'transaction'; readonly commands: Bytes[][] }
  | { readonly kind: 'malformed'; readonly reason: string }

/**
 * An HTTP server that speaks Upstash's REST protocol, https://upstash.com/docs/redis/features/restapi. The caller starts
 * and stops listening.
 */
export function restServer(backend: Backend, token: string): Server {
  return createServer((request, response) => {
    serve(backend, token, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else send(response, 500, { error: `ERR ${error instanceof Error ? error.message : String(error)}` })
    })
  })
}

async function serve(
  backend: Backend,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const method = request.method ?? 'GET'
  if (!['GET', 'HEAD', 'POST', 'PUT'].includes(method)) return send(response, 405, { error: 'ERR method not allowed' })
  if (!isAllowed(request, url, token)) return send(response, 401, { error: 'WRONGPASS invalid or missing auth token' })
  const body = await readBody(request)
  if (body === undefined) return send(response, 413, { error: 'ERR max request size exceeded' })

  const format = request.headers['upstash-response-format'] ?? 'json'
  if (format !== 'json' && format !== 'resp2') return send(response, 400, { error: 'ERR unknown response format' })
  const call = readCall(url, method, body)
  if (format === 'resp2' && call.kind === 'command') return sendBytes(response, await replyTo(backend, call.command))
  const encoding = request.headers['upstash-encoding'] === 'base64' ? 'base64' : 'utf8'
  return answer(backend, call, encoding, response)
}

function isAllowed(request: IncomingMessage, url: URL, token: string): boolean {
  const [scheme = '', given] = (request.headers.authorization ?? '').split(' ')
  return scheme.toLowerCase() === 'bearer' ? given === token : url.searchParams.get('_token') === token
}

/** The raw bytes of a request's body, undefined when they exceed the limit. */
async function readBody(request: IncomingMessage): Promise<Bytes | undefined> {
  const chunks: string[] = []
  let size = 0
  request.setEncoding('latin1')
  for await (const chunk of request) {
    const text = String(chunk)
    size += text.length
    // The rest is still read: leaving the loop would close the connection before the client has its answer.
    if (size <= MAX_REQUEST_BYTES) chunks.push(text)
  }
  return size > MAX_REQUEST_BYTES ? undefined : chunks.join('')
}

const word = z.union([z.string(), z.number(), z.boolean()]).transform((value) => toBytes(String(value)))
const command = z.array(word).min(1)
const commands = z.array(command).min(1)

function readCall(url: URL, method: string, body: Bytes): Call {
  switch (url.pathname) {
    case '/':
      return readBodyCall(body, command, 'an array of words', (command) => ({ kind: 'command', command }))
    case '/pipeline':
      return readBodyCall(body, commands, 'an array of arrays of words', (commands) => ({ kind: 'pipeline', commands }))
    case '/multi-exec':
      return readBodyCall(body, commands, 'an array of arrays of words', (commands) => ({
        kind: 'transaction',
        commands,
      }))
  }
  const words = readPath(url.pathname)
  return words === undefined
    ? malformed('the path is not valid percent-encoding')
    : { kind: 'command', command: [...words, ...readTail(url, method, body)] }
}

function readBodyCall<T>(body: Bytes, schema: z.ZodType<T>, expected: string, callOf: (value: T) => Call): Call {
  const json = parseJson(toText(body))
  // The SDK sends null where JSON has no word for a number.
  if (holdsNull(json)) return { kind: 'malformed', reason: 'ERR null args are not supported' }
  const parsed = schema.safeParse(json)
  return parsed.success ? callOf(parsed.data) : malformed(`expected ${expected} in JSON`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const holdsNull = (json: unknown): boolean =>
  Array.isArray(json) && json.some((item) => item === null || holdsNull(item))

function readPath(pathname: string): Bytes[] | undefined {
  try {
    return pathname
      .split('/')
      .slice(1)
      .map((part) => toBytes(decodeURIComponent(part)))
  } catch {
    return undefined
  }
}

/** The body is the last argument and the query follows it: `POST /set/foo?EX=100` is `SET foo <body> EX 100`. */
function readTail(url: URL, method: string, body: Bytes): Bytes[] {
  const query = [...url.searchParams].filter(([name]) => name !== '_token')
  const options = query.flatMap(([name, value]) => (value === '' ? [name] : [name, value])).map(toBytes)
  return (method === 'POST' || method === 'PUT') && body !== '' ? [body, ...options] : options
}

const malformed = (why: string): Call => ({ kind: 'malformed', reason: `ERR failed to parse the request: ${why}` })

/**
 * Commands that belong to a connection. HTTP has none, and a real server would apply them to the one connection that all
 * requests share: MULTI would queue the commands of other requests, BLPOP would block them.
 */
const connectionCommands = new Set(
  [
    'multi exec discard watch unwatch subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe monitor',
    'auth hello select quit reset client asking readonly readwrite sync psync replconf replicaof slaveof failover',
    'blpop brpop blmove blmpop brpoplpush bzpopmin bzpopmax bzmpop wait waitaof shutdown debug',
  ].flatMap((names) => names.split(' ')),
)

/** Why a command cannot be sent over HTTP, undefined when it can. */
function refusal([name = '']: readonly Bytes[]): Bytes | undefined {
  return connectionCommands.has(name.toLowerCase()) ? `ERR Command is not available: '${name}' over REST` : undefined
}

async function answer(backend: Backend, call: Call, encoding: Encoding, response: ServerResponse): Promise<void> {
  switch (call.kind) {
    case 'malformed':
      return send(response, 400, { error: call.reason })
    case 'command':
      return sendOne(response, answerOf(await replyTo(backend, call.command), encoding))
    case 'pipeline':
      return sendAll(response, await runAvailable(backend, call.commands), encoding)
    case 'transaction': {
      const reason = call.commands.map(refusal).find((reason) => reason !== undefined)
      const reply =
        reason === undefined
          ? await backend.transaction(call.commands)
          : failure(`EXECABORT Transaction discarded because of: ${reason}`)
      return isList(reply) ? sendAll(response, reply, encoding) : sendOne(response, answerOf(reply, encoding))
    }
  }
}

async function replyTo(backend: Backend, command: Bytes[]): Promise<Reply> {
  const [reply = null] = await runAvailable(backend, [command])
  return reply
}

/** Runs the available commands and returns the refusals of the others in their places. */
async function runAvailable(backend: Backend, commands: Bytes[][]): Promise<Reply[]> {
  const available = commands.filter((command) => refusal(command) === undefined)
  const replies = (available.length === 0 ? [] : await backend.pipeline(available)).values()
  return commands.map((command) => {
    const reason = refusal(command)
    return reason === undefined ? (replies.next().value ?? null) : failure(reason)
  })
}

const isList = (reply: Reply): reply is readonly Reply[] => Array.isArray(reply)

/**
 * A reply in Upstash's JSON. Under base64 every string is encoded but the status `OK` on its own. Inside an array even
 * that is encoded, since the SDK decodes every string there.
 */
function answerOf(reply: Reply, encoding: Encoding): Answer {
  const line = typeof reply === 'object' && reply !== null && !isList(reply) ? reply : undefined
  if (line?.kind === 'error') return { error: toText(line.text) }
  return { result: line?.text === 'OK' ? 'OK' : toJson(reply, encoding) }
}

function toJson(reply: Reply, encoding: Encoding): Json {
  if (reply === null || typeof reply === 'number') return reply
  if (typeof reply === 'bigint') return Number(reply) // As precise as a JSON reader would take it.
  if (isList(reply)) return reply.map((item) => toJson(item, encoding))
  return Buffer.from(typeof reply === 'string' ? reply : reply.text, 'latin1').toString(encoding)
}

function sendAll(response: ServerResponse, replies: readonly Reply[], encoding: Encoding): void {
  send(
    response,
    200,
    replies.map((reply) => answerOf(reply, encoding)),
  )
}

function sendOne(response: ServerResponse, answer: Answer): void {
  send(response, 'error' in answer ? 400 : 200, answer)
}

/** A reply as Redis' own protocol has it. Pipelines are answered in JSON here, since no client of ours wants them otherwise. */
function sendBytes(response: ServerResponse, reply: Reply): void {
  const isError = typeof reply === 'object' && reply !== null && !isList(reply) && reply.kind === 'error'
  const bytes = inResp(reply)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes.length }
  response.writeHead(isError ? 400 : 200, headers).end(bytes, 'latin1')
}

function inResp(reply: Reply): Bytes {
  if (reply === null) return '$-1\r\n'
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`
  if (typeof reply === 'number' || typeof reply === 'bigint') return `:${reply}\r\n`
  if (isList(reply)) return `*${reply.length}\r\n${reply.map(inResp).join('')}`
  return `${reply.kind === 'error' ? '-' : '+'}${reply.text}\r\n`
}

let answers = 0

function send(response: ServerResponse, status: number, body: Answer | Answer[]): void {
  answers += 1
  // The SDK sends the last token back to read its own writes. With one node every read sees them.
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'upstash-sync-token': `local=${answers}`,
  })
  response.end(bytes)
}

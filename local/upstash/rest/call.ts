import { z } from 'zod'
import type { SubscriptionKind } from '../backend.ts'
import { type Bytes, toBytes } from '../bytes.ts'

/** What an HTTP request asks for. */
export type Call =
  | { readonly kind: 'command'; readonly command: Bytes[] }
  | { readonly kind: 'pipeline' | 'transaction'; readonly commands: Bytes[][] }
  | { readonly kind: 'subscription'; readonly how: SubscriptionKind; readonly names: Bytes[] }
  | { readonly kind: 'malformed'; readonly why: string }

const word = z.union([z.string(), z.number(), z.boolean()]).transform((value) => toBytes(String(value)))
const command = z.array(word).min(1)
const commands = z.array(command).min(1)

/** Reads a request as https://upstash.com/docs/redis/features/restapi describes it; `body` is raw bytes. */
export function readCall(url: URL, method: string, body: Bytes): Call {
  const words = readPath(url.pathname)
  if (words === undefined) return malformed('the path is not valid percent-encoding')
  switch (url.pathname) {
    case '/':
      return readCommand(body)
    case '/pipeline':
      return readCommands('pipeline', body)
    case '/multi-exec':
      return readCommands('transaction', body)
  }
  const [name = '', ...names] = words
  const how = name.toLowerCase()
  if (how === 'subscribe' || how === 'psubscribe')
    return names.length > 0 ? { kind: 'subscription', how, names } : malformed('no channel to subscribe to')
  return { kind: 'command', command: [...words, ...readTail(url, method, body)] }
}

/** The body is the last argument and the query follows it: `POST /set/foo?EX=100` is `SET foo <body> EX 100`. */
function readTail(url: URL, method: string, body: Bytes): Bytes[] {
  const query = [...url.searchParams].filter(([name]) => name !== '_token')
  const options = query.flatMap(([name, value]) => (value === '' ? [name] : [name, value])).map(toBytes)
  const takesBody = method === 'POST' || method === 'PUT'
  return takesBody && body !== '' ? [body, ...options] : options
}

function readCommand(body: Bytes): Call {
  const json = readJson(body)
  if (holdsNull(json)) return nullArgument
  const parsed = command.safeParse(json)
  return parsed.success ? { kind: 'command', command: parsed.data } : malformed('expected a JSON array of words')
}

function readCommands(kind: 'pipeline' | 'transaction', body: Bytes): Call {
  const json = readJson(body)
  if (holdsNull(json)) return nullArgument
  const parsed = commands.safeParse(json)
  return parsed.success ? { kind, commands: parsed.data } : malformed('expected a JSON array of arrays of words')
}

function readJson(body: Bytes): unknown {
  try {
    return JSON.parse(Buffer.from(body, 'latin1').toString('utf8'))
  } catch {
    return undefined
  }
}

/** The SDK sends null where JSON has no word for a number: an infinite score, for one. */
function holdsNull(json: unknown): boolean {
  return Array.isArray(json) && json.some((item) => item === null || holdsNull(item))
}

const nullArgument: Call = { kind: 'malformed', why: 'ERR null args are not supported' }

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

const malformed = (why: string): Call => ({ kind: 'malformed', why: `ERR failed to parse the request: ${why}` })

import { z } from 'zod'
import { isLonger } from '../kernel/text.ts'
import { GivenBytes, GivenJson, withoutNulls } from './given-json.ts'
import { sizes, tokenLength } from './limits.ts'
import { textAt } from './protobuf/json-text.ts'

const offset = z.int().nonnegative().default(0)
const position = z.object({ offset, epoch: z.string().max(64).default('') })

/** A client's connect: its token, and which server-side streams it wants to recover. */
export const connectRequest = z.object({
  token: z.string().max(tokenLength).default(''),
  subs: z.record(z.string().max(255), z.object({ recover: z.boolean().default(false), ...position.shape })).default({}),
  name: z.string().max(64).default(''),
  version: z.string().max(64).default(''),
})

/** A client's subscribe. `type` other than 0 (map, shared poll) and `tf` (tag filters) are not available. */
export const subscribeRequest = z.object({
  channel: z.string(),
  token: z.string().max(tokenLength).default(''),
  recover: z.boolean().default(false),
  ...position.shape,
  join_leave: z.boolean().default(false),
  flag: z.int().nonnegative().default(0),
  type: z.int().default(0),
  tf: z
    .unknown()
    .transform((filter) => filter ?? undefined)
    .optional(),
})

/** Longest name of an rpc method. */
const methodLength = 255

const onChannel = z.object({ channel: z.string() })

/** A page of history: forward after `since`, or with `reverse` backward before it. */
export const historyRequest = z.object({
  channel: z.string(),
  limit: z.int().default(0),
  since: position.optional(),
  reverse: z.boolean().default(false),
})

/** The data of a client's command, with its text. Only Protobuf can carry bytes that are not JSON. */
const data = z.union([z.instanceof(GivenJson), z.instanceof(GivenBytes)]).optional()

const publishRequest = z.object({ channel: z.string(), data, type: z.int().default(0) })
const rpcRequest = z.object({ method: z.string().max(methodLength), data })
const sendRequest = z.object({ data })
const subRefreshRequest = z.object({ channel: z.string(), token: z.string().max(tokenLength).default('') })
const refreshRequest = z.object({ token: z.string().max(tokenLength).default('') })
const nothing = z.object({})

const requests = {
  connect: connectRequest,
  subscribe: subscribeRequest,
  unsubscribe: onChannel,
  publish: publishRequest,
  presence: onChannel,
  presence_stats: onChannel,
  history: historyRequest,
  ping: nothing,
  send: sendRequest,
  rpc: rpcRequest,
  refresh: refreshRequest,
  sub_refresh: subRefreshRequest,
} as const

type Requests = typeof requests

/** The name of a command a client may send. */
export type CommandKind = keyof Requests

/** One parsed command; `id` is 0 only for `send` and for a pong. */
export type Command =
  | {
      [K in CommandKind]: { readonly kind: K; readonly id: number; readonly request: z.output<Requests[K]> }
    }[CommandKind]
  | { readonly kind: 'pong'; readonly id: 0; readonly count: number }

/** A frame's commands, or why the whole frame must be answered by closing the connection (3501). */
export type ParsedFrame =
  | { readonly kind: 'commands'; readonly commands: readonly Command[] }
  | { readonly kind: 'malformed'; readonly why: string }

const kinds: readonly CommandKind[] = [
  'rpc',
  'publish',
  'send',
  'subscribe',
  'unsubscribe',
  'history',
  'presence',
  'presence_stats',
  'connect',
  'refresh',
  'sub_refresh',
  'ping',
]

/** The answers to this many pings. A frame may hold thousands, which are one command. */
export const pong = (count: number): Command => ({ kind: 'pong', id: 0, count })

/** A frame that ends its connection; the reason is for the log. */
export const malformed = (why: string): ParsedFrame => ({ kind: 'malformed', why })

/**
 * Reads a JSON text frame: one or more commands, each on its own line. Unknown envelope fields are ignored, as SDKs of
 * later versions send them.
 */
export function parseFrame(frame: string): ParsedFrame {
  if (isLonger(frame, sizes.frameBytes)) return malformed('frame too large')
  if (frame.length === 0) return malformed('empty frame')
  const lines = frame.split('\n')
  const commands: Command[] = []
  let pongs = 0
  for (const line of lines) {
    if (line === '') continue
    if (line === '{}') {
      pongs++
      continue
    }
    const command = parseCommand(line)
    if (typeof command === 'string') return malformed(command)
    commands.push(command)
  }
  if (pongs > 0) commands.push(pong(pongs))
  return { kind: 'commands', commands }
}

function parseCommand(line: string): Command | string {
  const envelope = parseJson(line)
  return isRecord(envelope) ? parseEnvelope(envelope, line) : 'not a JSON object'
}

/**
 * Reads one command's envelope, in either format; a sentence when it is malformed. `line` is its text in the JSON format.
 * In Protobuf data comes with its text already.
 */
export function parseEnvelope(envelope: Readonly<Record<string, unknown>>, line?: string): Command | string {
  const kind = kinds.find((name) => envelope[name] !== undefined && envelope[name] !== null)
  const id = envelope['id'] ?? 0
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xffffffff)
    return 'id is not an unsigned integer'
  if (kind === undefined) return id === 0 ? pong(1) : 'unknown command'
  if (id === 0 && kind !== 'send') return `${kind} without an id`
  return readRequest(kind, id, envelope[kind], line)
}

function readRequest(kind: CommandKind, id: number, value: unknown, line: string | undefined): Command | string {
  if (kind === 'rpc' && isPlainRpc(value)) {
    const { method } = value
    const data = dataOf(kind, value.data, line)
    return { kind, id, request: data === undefined ? { method } : { method, data } }
  }
  const withData = saying.has(kind) && isRecord(value) ? { ...value, data: dataOf(kind, value['data'], line) } : value
  const parsed = requests[kind].safeParse(withoutNulls(requests[kind], withData))
  if (!parsed.success) return `${kind}: ${explain(parsed.error)}`
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema was chosen by this very kind
  return { kind, id, request: parsed.data } as Command
}

/**
 * The most frequent request by far, recognised without its schema, which would cost more than the rest of reading it.
 */
const isPlainRpc = (value: unknown): value is { readonly method: string; readonly data?: unknown } =>
  isRecord(value) && typeof value['method'] === 'string' && value['method'].length <= methodLength

/** The kinds whose data is read or passed on. */
const saying: ReadonlySet<CommandKind> = new Set(['rpc', 'publish', 'send'])

/** The data of a command with its text, which in the JSON format is searched for only when it is needed. */
function dataOf(kind: CommandKind, value: unknown, line: string | undefined): GivenJson | GivenBytes | undefined {
  if (value === undefined) return undefined
  if (line !== undefined) return new GivenJson(value, () => textAt(line, [kind, 'data']) ?? 'null')
  return value instanceof GivenJson || value instanceof GivenBytes ? value : undefined
}

/** The first broken rule as "field: sentence". */
export function explain(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'invalid'
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  return `${where}${issue.message}`
}

/** Parses JSON, undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

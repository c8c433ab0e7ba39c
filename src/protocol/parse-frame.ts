import { isLonger } from '../kernel/text.ts'
import { methodLength, requests, type Command, type CommandKind, type ParsedFrame } from './commands.ts'
import { explain } from './explain.ts'
import { GivenJson } from './given-json.ts'
import { GivenBytes } from './publication-data.ts'
import { withoutNulls } from './given-json.ts'
import { plainReaders } from './plain-requests.ts'
import { sizes } from './limits.ts'
import { textAt } from './protobuf/json-text.ts'

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
export const malformed = (reason: string): ParsedFrame => ({ kind: 'malformed', reason })

/**
 * Reads a JSON text frame: one or more commands, each on its own line. Unknown envelope fields are ignored, as SDKs of
 * later versions send them.
 */
export function parseFrame(frame: string | Uint8Array): ParsedFrame {
  if (typeof frame !== 'string') return malformed('binary frame on a JSON connection')
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
    const { method, data } = value
    const read = data instanceof GivenJson ? data.value : data
    return { kind, id, request: { method, value: read, data: () => dataOf(kind, data, line) } }
  }
  const plain = plainReaders[kind]?.(value)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the reader was chosen by this very kind
  if (plain !== undefined) return { kind, id, request: plain } as Command
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

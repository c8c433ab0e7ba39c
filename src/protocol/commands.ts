import { z } from 'zod'
import { GivenJson } from './given-json.ts'
import { GivenBytes } from './publication-data.ts'
import { tokenLength } from './limits.ts'

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
export const methodLength = 255

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

/** The schema of each command's request. */
export const requests = {
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

/** A call of an rpc method. `value` is its data as parsed JSON; `data` makes it with its text, which few calls need. */
export interface RpcRequest {
  readonly method: string
  readonly value: unknown
  readonly data: () => GivenJson | GivenBytes | undefined
}

/** The name of a command a client may send. */
export type CommandKind = keyof Requests

/** One parsed command; `id` is 0 only for `send` and for a pong. */
export type Command =
  | {
      [K in CommandKind]: {
        readonly kind: K
        readonly id: number
        readonly request: K extends 'rpc' ? RpcRequest : z.output<Requests[K]>
      }
    }[CommandKind]
  | { readonly kind: 'pong'; readonly id: 0; readonly count: number }

/** A frame's commands, or why the whole frame must be answered by closing the connection (3501). */
export type ParsedFrame =
  | { readonly kind: 'commands'; readonly commands: readonly Command[] }
  | { readonly kind: 'malformed'; readonly reason: string }

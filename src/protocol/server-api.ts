import { z } from 'zod'
import { isDeeper } from '../kernel/json.ts'
import { canonicalChannel } from './channels.ts'
import { errors, type Refusal } from './errors.ts'
import { sizes } from './limits.ts'

// The server API in Centrifugo's shape: `POST /api/<method>` with these bodies. Fields nobody here knows are ignored, as
// server libraries send them for features of other versions.

/** An error of this API: code and message are Centrifugo's, `detail` names the field, the rule and the fix. */
export interface ServerApiError {
  readonly code: number
  readonly message: string
  readonly detail?: string
}

/** A refusal as this API says it. Codes from 100 to 112 mean what they mean on the wire, where one has another message. */
export function toServerApiError({ error, detail }: Refusal): ServerApiError {
  const { code, message } = errors[error]
  return {
    code,
    message: error === 'methodNotFound' ? 'not found' : message,
    ...(detail === undefined ? {} : { detail }),
  }
}

const channel = z.string().min(1).max(255).transform(canonicalChannel)
/** A record has no room for a field named `__proto__`, which would be left out without a word. */
const tags = z
  .custom<unknown>((value) => !isObject(value) || !Object.hasOwn(value, '__proto__'), '__proto__: cannot be a name')
  .pipe(z.record(z.string().max(128), z.string().max(1024)))
  .optional()
/** JSON as the wire takes it: whatever walks a value by recursion falls over one nested thousands deep. */
const json = z
  .unknown()
  .refine((value) => !isDeeper(value, sizes.dataDepth), `nested at most ${sizes.dataDepth} levels deep`)
  .optional()
/** `b64data` is for data that is no JSON; here all of it is, so that it has to be JSON in base64. */
const payload = {
  data: json,
  b64data: z
    .string()
    .max(2 * sizes.bodyBytes)
    .optional(),
}
const said = {
  ...payload,
  tags,
  /** "" is none, as it is in Centrifugo's own language; so is a client's. */
  idempotency_key: z.string().max(128).optional(),
  skip_history: z.literal(false).optional(),
}
const position = z.object({ offset: z.int().nonnegative().default(0), epoch: z.string().max(64).default('') })
/** A `session` would mean fewer connections than the user has: not to know it must not end the others. */
const whom = {
  user: z.string().max(sizes.userLength),
  client: z.string().max(64).optional(),
  session: z.literal('', 'sessions have no names here: give the client').optional(),
}
const flag = z.object({ value: z.boolean() }).optional()
const seconds = z.int().nonnegative()
const ended = { code: z.int().min(3000).max(4999), reason: z.string().regex(/^[A-Za-z][\x20-\x7e]{0,122}$/) }

const onChannel = z.object({ channel })

/** What each method takes. */
export const serverApiRequests = {
  publish: z.object({ channel, ...said }),
  broadcast: z.object({ channels: z.array(channel).min(1).max(1000), ...said }),
  subscribe: z.object({
    channel,
    ...whom,
    info: json,
    data: json,
    override: z.object({ join_leave: flag, force_recovery: flag }).optional(),
  }),
  unsubscribe: z.object({ channel: z.string().max(255).transform(canonicalChannel), ...whom }),
  disconnect: z.object({
    ...whom,
    whitelist: z.array(z.string().max(64)).max(1000).default([]),
    disconnect: z.object(ended).optional(),
  }),
  refresh: z.object({ ...whom, expired: z.boolean().default(false), expire_at: seconds.default(0) }),
  presence: onChannel,
  presence_stats: onChannel,
  history: z.object({
    channel,
    limit: z.int().default(0),
    since: position.nullish(),
    reverse: z.boolean().default(false),
  }),
  history_remove: onChannel,
  channels: z.object({ pattern: z.string().max(255).default('') }),
  info: z.object({}),
} as const

/** A method of the API, but for `batch`, which is made of the others. */
export type ServerApiMethod = keyof typeof serverApiRequests

/** Commands in one request, of a batch or of a pipe. */
export const serverApiCommands = 1000

/** `POST /api/batch`: commands as `{"publish": {…}}`, one method each. */
export const serverApiBatch = z.object({
  commands: z.array(z.record(z.string(), z.unknown())).max(serverApiCommands),
  parallel: z.boolean().default(false),
})

/** One command of `POST /api`, as older libraries and pipes have it. Method names are taken in any case. */
export const serverApiEnvelope = z.object({
  id: z.int().nonnegative().default(0),
  method: z.string().max(64).toLowerCase(),
  params: z.unknown().optional(),
})

/** What was asked of one method. */
export type ServerApiRequest<M extends ServerApiMethod> = z.output<(typeof serverApiRequests)[M]>

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Whether a channel's name matches a pattern in which `*` stands for any characters; "" matches all. */
export function matchesPattern(name: string, pattern: string): boolean {
  if (pattern === '') return true
  const [head = '', ...pieces] = pattern.split('*')
  if (!name.startsWith(head)) return false
  if (pieces.length === 0) return name === head
  const tail = pieces.pop() ?? ''
  let at = head.length
  for (const piece of pieces) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.length - tail.length >= at && name.endsWith(tail)
}

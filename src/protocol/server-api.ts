import { z } from 'zod'
import { carried } from './carried.ts'
import { canonicalChannel } from './channels.ts'
import { errors, type Refusal } from './errors.ts'
import { GivenJson, jsonUpTo } from './given-json.ts'
import { infoBytes, sizes } from './limits.ts'
import { record } from './record.ts'
import { passedOn } from './schema-plan.ts'

/** JSON of any form that comes out with its text, to be read by a schema later. */
function jsonForLater() {
  const schema = z.custom<GivenJson>((given) => given instanceof GivenJson)
  passedOn.add(schema)
  return schema
}

// The server API in Centrifugo's shape: `POST /api/<method>` with these bodies. docs/server-api.md lists every field of
// Centrifugo's api.proto and how it is treated, which a test compares with the schemas here.

/** An error of this API: code and message are Centrifugo's, `detail` names the field, the rule and the fix. */
export interface ServerApiError {
  readonly code: number
  readonly message: string
  readonly detail?: string
}

/**
 * A refusal in this API's form. Codes from 100 to 112 mean what they mean on the wire, where one has another message.
 */
export function toServerApiError({ error, detail }: Refusal): ServerApiError {
  const { code, message } = errors[error]
  return {
    code,
    message: error === 'methodNotFound' ? 'not found' : message,
    ...(detail === undefined ? {} : { detail }),
  }
}

const channel = z.string().min(1).max(255).transform(canonicalChannel)
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const tags = record(z.string().max(128), z.string().max(1024)).optional()
/** JSON that is passed on as the text it was; see `readGiven`. */
const json = (bytes: number) => jsonUpTo(bytes).transform(carried).optional()
const base64 = (bytes: number) =>
  z
    .string()
    .max(2 * bytes)
    .optional()
const position = z.strictObject({ offset: z.int().nonnegative().default(0), epoch: z.string().max(64).default('') })
const epochSeconds = z.int().nonnegative().max(99_999_999_999)

/** The publication. "" and 0 count as absent, as in Centrifugo's own language. */
const publication = {
  data: json(sizes.bodyBytes),
  /** For data that is not JSON. Used in preference to `data`. */
  b64data: base64(sizes.bodyBytes),
  tags,
  idempotency_key: z.string().max(128).optional(),
  skip_history: z.boolean().optional(),
  /** Subscribers are never sent deltas, so that all data is sent whole. */
  delta: z.boolean().optional(),
  version: z.int('an integer up to 2^53 - 1').nonnegative().optional(),
  version_epoch: z.string().max(64).optional(),
}

/**
 * Which connections are meant. `session` is the one in a connect result; only connections without a WebSocket have one.
 */
const target = {
  user: z.string().max(sizes.userLength),
  client: z.string().max(64).optional(),
  session: z.string().max(64).optional(),
}
const flag = z.strictObject({ value: z.boolean().default(false) }).nullish()
const flags = {
  presence: flag,
  join_leave: flag,
  force_recovery: flag,
  force_positioning: flag,
  force_push_join_leave: flag,
}
const words = z.string().regex(/^[A-Za-z][\x20-\x7e]{0,122}$/, 'a letter, then at most 122 characters of ASCII')

/** How connections end. `reconnect` is sent by older libraries; the code decides. */
const disconnectRequest = z
  .strictObject({ code: z.int().default(0), reason: z.string().default(''), reconnect: z.boolean().default(false) })
  .transform(({ code, reason, reconnect }, context) => {
    if (code === 0 && reason === '') return undefined
    if (code < 3000 || code > 4999) context.addIssue({ code: 'custom', path: ['code'], message: 'from 3000 to 4999' })
    if (reconnect && isTerminal(code))
      context.addIssue({ code: 'custom', path: ['reconnect'], message: `clients do not come back after ${code}` })
    const said = words.safeParse(reason === '' ? 'disconnected' : reason)
    if (!said.success)
      context.addIssue({ code: 'custom', path: ['reason'], message: 'ASCII, a letter first, at most 123' })
    return { code, reason: said.data ?? '' }
  })
const isTerminal = (code: number): boolean => (code >= 3500 && code < 4000) || code >= 4500
const whitelist = z.array(z.string().max(64)).max(1000)

const onChannel = z.strictObject({ channel })

/** The fields of each method. A field that is not here is refused, unless it is empty. */
export const serverApiRequests = {
  publish: z.strictObject({ channel, ...publication }),
  broadcast: z.strictObject({ channels: z.array(channel).min(1).max(1000), ...publication }),
  subscribe: z.strictObject({
    channel,
    ...target,
    expire_at: epochSeconds.optional(),
    info: json(infoBytes),
    b64info: base64(infoBytes),
    data: json(sizes.bodyBytes),
    b64data: base64(sizes.bodyBytes),
    recover_since: position.optional(),
    override: z.strictObject(flags).optional(),
    /** The form in which gocent sends what is in `override` today. */
    presence: z.boolean().optional(),
    join_leave: z.boolean().optional(),
    recover: z.boolean().optional(),
    position: z.boolean().optional(),
  }),
  unsubscribe: z.strictObject({ channel: z.string().max(255).transform(canonicalChannel), ...target }),
  disconnect: z.strictObject({
    ...target,
    whitelist: whitelist.optional(),
    disconnect: disconnectRequest.optional(),
    /** The names that gocent uses. */
    ClientWhitelist: whitelist.optional(),
    Disconnect: disconnectRequest.optional(),
  }),
  refresh: z.strictObject({
    ...target,
    expired: z.boolean().default(false),
    expire_at: epochSeconds.default(0),
    info: json(infoBytes),
  }),
  presence: onChannel,
  presence_stats: onChannel,
  history: z.strictObject({
    channel,
    limit: z.int().default(0),
    since: position.optional(),
    reverse: z.boolean().default(false),
  }),
  history_remove: onChannel,
  channels: z.strictObject({
    pattern: z
      .string()
      .max(255)
      .regex(/^[^?[\]{}\\]*$/, 'only * stands for other characters; ?, [], {} and \\ are not supported')
      .default(''),
  }),
  info: z.strictObject({}),
} as const

/** A method of the API, but for `batch`, which is made of the others. */
export type ServerApiMethod = keyof typeof serverApiRequests

/** Commands in one request, of a batch or of a pipe. */
export const serverApiCommands = 1000

/** `POST /api/batch`: commands as `{"publish": {…}}`, one method each. */
export const serverApiBatch = z.strictObject({
  commands: z.array(jsonForLater()).max(serverApiCommands),
  parallel: z.boolean().default(false),
})

/** One command of `POST /api`, as older libraries and pipes have it. Method names are taken in any case. */
export const serverApiEnvelope = z.object({
  id: z.int().nonnegative().default(0),
  method: z.string().max(64).toLowerCase(),
  params: jsonForLater().optional(),
})

/**
 * The fields of a request that were set. Libraries send the others as null, and fields of other versions as their
 * language's zero values; PHP sends [] for {}. Only `data` may be null on purpose.
 */
export function givenFields(schema: z.ZodObject, params: GivenJson | undefined): GivenJson {
  const value = params?.value ?? []
  if (params === undefined || (Array.isArray(value) && value.length === 0)) return new GivenJson({}, '{}')
  if (!isObject(value) || Array.isArray(value)) return params
  const isSet = ([name, value]: [string, unknown]) =>
    value === null ? name === 'data' : Object.hasOwn(schema.shape, name) || !isZero(value)
  return new GivenJson(Object.fromEntries(Object.entries(value).filter(isSet)), () => params.text)
}

const isZero = (value: unknown): boolean =>
  value === false || value === 0 || value === '' || (isObject(value) && Object.keys(value).length === 0)

/** The parameters of one method. */
export type ServerApiRequest<M extends ServerApiMethod> = z.output<(typeof serverApiRequests)[M]>

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

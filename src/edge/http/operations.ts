import type { Hono } from 'hono'
import type { z } from 'zod'
import { workerOf } from '../../adapters/contexts.ts'
import type { ForwardedCaller, Principal } from '../../auth/principal.ts'
import { contextOfOperation, type ContextName } from '../../contexts.ts'
import { forRequest } from '../../env.ts'
import { etagOf, namesEtag } from '../../kernel/etag.ts'
import { readTraceparent, type RequestContext } from '../../kernel/request-context.ts'
import {
  isCheckedByEtag,
  type Access,
  type OperationAnswer,
  type OperationDefinition,
  type OperationInput,
} from '../../protocol/operation.ts'
import { answerInTime } from './answer-in-time.ts'
import type { App, AppContext } from './context.ts'
import { body, bodyOrNothing, check, header, param, query } from './input.ts'
import { known, principalOf, requireOperator, server } from '../middleware/authenticate.ts'
import { corsHeaders, requireAllowedOrigin } from '../middleware/cross-origin.ts'
import { countRequest } from '../rate-limits/call-counts.ts'
import { addressGroup, callersOf, limitCaller, whileCounted } from '../middleware/limit-requests.ts'
import { priorityOf, whileAdmitted } from '../middleware/shed-requests.ts'
import { forwardOperation } from './forward.ts'
import { fail, onError } from './problem.ts'
import { securityHeaders } from './security-headers.ts'

type Known = Exclude<Principal, { kind: 'anonymous' }>
type CallerOf<A extends Access> = A extends 'server'
  ? Extract<Principal, { kind: 'server' }>
  : A extends 'user-or-server'
    ? Known
    : Principal

/** One request of an operation: its input, checked, and its caller. */
export interface OperationCall<D extends OperationDefinition> extends OperationInput<D> {
  readonly c: AppContext
  readonly caller: CallerOf<D['access']>
}

/** A definition with what it does. */
export interface Operation {
  readonly definition: OperationDefinition
  readonly handle: (c: AppContext) => Promise<Response>
}

/** Binds a definition to its implementation, whose answer has to be one that the definition names. */
export function operation<const D extends OperationDefinition, const A extends OperationAnswer<D>>(
  definition: D,
  run: (call: OperationCall<D>) => Promise<A>,
): Operation {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the input is read by this very definition
  const work = async (call: unknown): Promise<AnyAnswer> => await run(call as OperationCall<D>)
  const steps = definition.access === 'operator' ? operatorSteps : callerSteps
  const context = contextOfOperation(definition) ?? 'core'
  const parts = {
    definition,
    context,
    isChecked: isCheckedByEtag(definition),
    steps,
    input: inputReader(definition),
    work,
  }
  return {
    definition,
    handle: (c) => {
      c.env = forRequest(c.env, requestOf(c))
      return answerSafely(c, parts)
    },
  }
}

/** What happens to a request in front of its implementation. */
type Steps = (c: AppContext, definition: OperationDefinition, work: () => Promise<Response>) => Promise<Response>
type FurtherHeaders = Readonly<Record<string, string>>

/** The steps of the operator's requests: they are never shed, and counted by address only. */
const operatorSteps: Steps = async (c, _, work) =>
  await whileCounted(addressGroup(c), async () => {
    await requireOperator(c)
    return await work()
  })

/** The steps of all others: load, caller, limits, origin, access. */
const callerSteps: Steps = async (c, { access, method, path, rateLimit = 'requests' }, work) =>
  await whileAdmitted(c, priorityOf(method.toUpperCase(), path), async () => {
    c.set('principal', await principalOf(c))
    return await whileCounted(callersOf(c), async () => {
      c.set('rateLimit', await limitCaller(c, rateLimit))
      await requireAllowedOrigin(c)
      callerOf(c, access)
      countRequest(c)
      return await work()
    })
  })

/** The steps of a request that another Worker of the system passed on: it has made those of the caller. */
const forwardedSteps =
  ({ principal }: ForwardedCaller): Steps =>
  async (c, { access }, work) => {
    if (principal.kind !== 'operator') {
      c.set('principal', principal)
      callerOf(c, access)
    } else if (access !== 'operator') fail('not-allowed', 'this is no operation of the operator')
    else c.set('principal', { kind: 'anonymous' })
    return await work()
  }

/** What an operation does with a request, made once. */
interface Parts {
  readonly definition: OperationDefinition
  readonly context: ContextName
  readonly isChecked: boolean
  readonly steps: Steps
  readonly input: ReadInput
  readonly work: (call: unknown) => Promise<AnyAnswer>
}

async function answerSafely(c: AppContext, parts: Parts): Promise<Response> {
  const { definition, context, isChecked, steps, input, work } = parts
  const { forwarded } = c.env
  const elsewhere = workerOf(c.env, context)
  // A Worker in front of this one has the CORS headers.
  const isOfTenants = definition.access !== 'operator' && forwarded === undefined
  const { contentType = jsonType, isSecret = false } = definition
  c.set('allowOrigin', '*')
  /** Those of every answer. */
  const commonHeaders = () => ({ ...c.get('rateLimit'), ...(isOfTenants ? corsHeaders(c) : undefined) })
  const fixed = { ...securityHeaders, 'X-Request-Id': c.get('requestId') }
  try {
    const taken = forwarded === undefined ? steps : forwardedSteps(forwarded)
    return await taken(c, definition, async () => {
      if (elsewhere !== undefined) {
        const principal = definition.access === 'operator' ? ({ kind: 'operator' } as const) : c.get('principal')
        return withHeaders(await forwardOperation(c, elsewhere, { context, definition }, principal), commonHeaders())
      }
      const call = { c, caller: callerOf(c, definition.access), ...(await input(c)) }
      const answer = isOfTenants && definition.isTransfer !== true ? await answerInTime(work(call)) : await work(call)
      const headers: Record<string, string> = { ...fixed, ...commonHeaders() }
      if (isSecret) headers['Cache-Control'] = 'no-store'
      if (answer.age !== undefined) headers['Age'] = String(answer.age)
      return isChecked ? await respondOnce(c, answer, headers, contentType) : respond(answer, headers, contentType)
    })
  } catch (thrown) {
    const response = onError(thrown instanceof Error ? thrown : new Error(String(thrown)), c)
    for (const [name, value] of Object.entries({ ...fixed, ...commonHeaders() })) response.headers.set(name, value)
    return response
  }
}

/** An answer of another Worker with further headers. */
function withHeaders({ body, status, headers: given }: Response, further: FurtherHeaders): Response {
  const headers = new Headers(given)
  for (const [name, value] of Object.entries(further))
    if (name === 'Vary') headers.append(name, value)
    else headers.set(name, value)
  return new Response(body, { status, headers })
}

/** The ids of a request for its log lines: the caller's own `X-Request-Id` if it can stand in them, else a new one. */
function requestOf(c: AppContext): RequestContext {
  const given = c.req.header('x-request-id')
  const requestId = given === undefined || !/^[\w=-]{1,255}$/.test(given) ? crypto.randomUUID() : given
  c.set('requestId', requestId)
  const traceparent = readTraceparent(c.req.header('traceparent'))
  return traceparent === undefined ? { requestId } : { requestId, traceparent }
}

/** Registers operations with a router; paths are written as OpenAPI writes them. */
export function mount(app: Hono<App>, operations: readonly Operation[]): Hono<App> {
  for (const { definition, handle } of operations)
    app.on(definition.method.toUpperCase(), definition.path.replaceAll(/\{(\w+)\}/g, ':$1'), handle)
  return app
}

function callerOf(c: AppContext, access: Access): Principal {
  if (access === 'server') return server(c)
  return access === 'user-or-server' ? known(c) : c.get('principal')
}

/** Reads the input of an operation; the fields of its schemas are listed once, not for each request. */
function inputReader(definition: OperationDefinition): ReadInput {
  const { query: querySchema, optionalBody, rawBody } = definition
  const bodySchema = rawBody === undefined ? definition.body : undefined
  const params = fieldsOf(definition.params)
  const headers = fieldsOf(definition.headers)
  return async (c) => ({
    params: params === undefined ? undefined : read(c, params, param),
    query: querySchema === undefined ? undefined : query(c, querySchema),
    headers: headers === undefined ? undefined : read(c, headers, header),
    body: bodySchema === undefined ? undefined : await bodyOf(c, bodySchema, optionalBody),
  })
}

type ReadInput = (c: AppContext) => Promise<OperationInput<OperationDefinition>>
type Field = readonly [name: string, schema: z.ZodType]

const fieldsOf = (schema: z.ZodObject | undefined): readonly Field[] | undefined =>
  schema === undefined ? undefined : Object.entries(schema.shape)

function read(
  c: AppContext,
  fields: readonly Field[],
  readOne: (c: AppContext, name: string, schema: z.ZodType) => unknown,
): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [name, schema] of fields) found[name] = readOne(c, name, schema)
  return found
}

const bodyOf = async (c: AppContext, schema: z.ZodType, isOptional = false): Promise<unknown> =>
  isOptional ? check(schema, await bodyOrNothing(c)) : await body(c, schema)

const jsonType = 'application/json'

interface AnyAnswer {
  readonly status: PropertyKey
  readonly body?: unknown
  readonly json?: string | ReadableStream | null
  readonly etag?: string | undefined
  readonly age?: number
}

/** The answer to a read: 304 when the caller has it already, which is asked for once more each time. */
async function respondOnce(
  c: AppContext,
  answer: AnyAnswer,
  headers: Record<string, string>,
  contentType: string,
): Promise<Response> {
  headers['Cache-Control'] = 'private, no-cache'
  headers['Vary'] = headers['Vary'] === undefined ? 'Authorization' : `Authorization, ${headers['Vary']}`
  const text = answer.json === undefined ? textOf(answer.body, contentType) : answer.json
  // Of a stream only its maker knows the ETag.
  const etag = answer.etag ?? (typeof text === 'string' ? await etagOf(text) : undefined)
  if (etag === undefined) return respond({ status: answer.status, json: text }, headers, contentType)
  headers['ETag'] = etag
  if (text === null || namesEtag(c.req.header('if-none-match'), etag))
    return new Response(null, { status: 304, headers })
  return respond({ status: answer.status, json: text }, headers, contentType)
}

const textOf = (body: unknown, contentType: string): string =>
  typeof body === 'string' && contentType !== jsonType ? body : JSON.stringify(body)

/** The answer with all its headers in one go; nothing is added to it later. */
function respond({ status, body, json }: AnyAnswer, headers: Record<string, string>, contentType: string): Response {
  if (json === undefined && body === undefined) return new Response(null, { status: Number(status), headers })
  headers['Content-Type'] = contentType
  return new Response(json ?? textOf(body, contentType), { status: Number(status), headers })
}

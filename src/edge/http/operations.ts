import type { Hono } from 'hono'
import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import type { Principal } from '../../auth/principal.ts'
import type { Access, OperationAnswer, OperationDefinition, OperationInput } from '../../protocol/operation.ts'
import type { App, AppContext } from './context.ts'
import { body, bodyOrNothing, check, header, param, query } from './input.ts'
import { known, server } from '../middleware/authenticate.ts'

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
  return {
    definition,
    handle: async (c) => {
      const caller = callerOf(c, definition.access)
      const input = await inputOf(c, definition)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- read by this very definition's access and schemas
      const answer = await run({ c, caller, ...input } as OperationCall<D>)
      return respond(c, answer, definition.contentType)
    },
  }
}

/** Registers operations with a router; paths are written as OpenAPI writes them. */
export function mount(app: Hono<App>, operations: readonly Operation[]): Hono<App> {
  for (const { definition, handle } of operations)
    app.on(definition.method.toUpperCase(), definition.path.replaceAll(/\{(\w+)\}/g, ':$1'), handle)
  return app
}

function callerOf(c: AppContext, access: Access): Principal {
  if (access === 'server') return server(c)
  return access === 'user-or-server' ? known(c) : c.var.principal
}

async function inputOf(c: AppContext, definition: OperationDefinition): Promise<OperationInput<OperationDefinition>> {
  const params = definition.params === undefined ? undefined : paramsOf(c, definition.params)
  return {
    params,
    query: definition.query === undefined ? undefined : query(c, definition.query),
    headers: definition.headers === undefined ? undefined : headersOf(c, definition.headers),
    body: definition.body === undefined ? undefined : await bodyOf(c, definition.body, definition.optionalBody),
  }
}

const bodyOf = async (c: AppContext, schema: z.ZodType, isOptional = false): Promise<unknown> =>
  isOptional ? check(schema, await bodyOrNothing(c)) : await body(c, schema)

function headersOf(c: AppContext, schema: z.ZodObject): Record<string, unknown> {
  const fields: readonly (readonly [string, z.ZodType])[] = Object.entries(schema.shape)
  return Object.fromEntries(fields.map(([name, field]) => [name, header(c, name, field)]))
}

function paramsOf(c: AppContext, schema: z.ZodObject): Record<string, unknown> {
  const fields: readonly (readonly [string, z.ZodType])[] = Object.entries(schema.shape)
  return Object.fromEntries(fields.map(([name, field]) => [name, param(c, name, field)]))
}

const jsonType = 'application/json'

interface AnyAnswer {
  readonly status: PropertyKey
  readonly body?: unknown
  readonly json?: string
}

function respond(c: AppContext, answer: AnyAnswer, contentType: string = jsonType): Response {
  const status = Number(answer.status)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the definition's responses are real statuses
  if (answer.json === undefined && answer.body === undefined) return c.body(null, status as StatusCode & 204)
  const text =
    answer.json ??
    (typeof answer.body === 'string' && contentType !== jsonType ? answer.body : JSON.stringify(answer.body))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return c.body(text, status as ContentfulStatusCode, { 'Content-Type': contentType })
}

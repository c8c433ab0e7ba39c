import { createMiddleware } from 'hono/factory'
import { z } from 'zod'
import { callContext, operationDeadlineMs, workerOf } from '../../adapters/contexts.ts'
import { DependencyError } from '../../adapters/dependency.ts'
import type { ForwardedCaller } from '../../auth/principal.ts'
import type { ContextName } from '../../contexts.ts'
import type { Env } from '../../env.ts'
import { sizes } from '../../protocol/limits.ts'
import type { OperationDefinition } from '../../protocol/operation.ts'
import { requestBody } from './capped.ts'
import type { App, AppContext } from './context.ts'

/** Says whom a forwarded request is from. Only `ContextWorker` reads it, which no request from outside reaches. */
const callerHeader = 'parley-caller'
/** Names the operation of a forwarded request. */
const operationHeader = 'parley-operation'
/** A deployment passes a request on twice at most: from a context to the core, and on to another context. */
const maxHops = 3

const forwardedCaller = z.object({
  principal: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('server'), tenant: z.string(), keyId: z.string() }),
    z.object({ kind: z.literal('user'), tenant: z.string(), user: z.string() }),
    z.object({ kind: z.literal('anonymous') }),
    z.object({ kind: z.literal('operator') }),
  ]),
  hops: z.int().default(1),
})

/** What a Worker answers to an operation that its version does not have. */
export const unknownOperation = (): Response => new Response(null, { status: 501 })

/** The operation that a forwarded request names; undefined where it is none. */
export const operationOf = (request: Request): string | undefined => request.headers.get(operationHeader) ?? undefined

/** The bindings for a forwarded request. Throws when it does not say whom it is from. */
export function forForwarded(env: Env, request: Request): Env {
  const text = decodeURIComponent(request.headers.get(callerHeader) ?? '')
  const forwarded = forwardedCaller.parse(JSON.parse(text))
  return Object.create(env, { forwarded: { value: forwarded }, worker: { value: env.worker ?? env } })
}

/**
 * Has the Worker of a context answer an operation. The caller is verified, charged for, and its body read within its bounds, before
 * this is called.
 */
export async function forwardOperation(
  c: AppContext,
  worker: NonNullable<Env['CORE']>,
  { context, definition }: { readonly context: ContextName; readonly definition: OperationDefinition },
  principal: ForwardedCaller['principal'],
): Promise<Response> {
  const { method } = c.req
  const { id: operation, bodyBytes = sizes.bodyBytes } = definition
  const body = method === 'GET' || method === 'HEAD' ? null : await requestBody(c, bodyBytes)
  const headers = headersOf(c, principal)
  headers.set(operationHeader, operation)
  // It was decompressed, and the credential has done its work.
  for (const name of ['content-encoding', 'content-length', 'authorization']) headers.delete(name)
  const call = { deadlineMs: operationDeadlineMs, isRepeatable: method === 'GET' || method === 'HEAD' }
  const response = await callContext(c.env, context, call, (signal) =>
    worker.fetch(new Request(c.req.url, { method, headers, body, signal })),
  )
  if (response.status === 501)
    throw new DependencyError(context, new Error(`${operation} is not in the version that runs there`))
  return response
}

/** Has the Worker of a context answer requests that are no operations, where the context is elsewhere. */
export const forwardElsewhere = (context: ContextName, deadlineMs: number) =>
  createMiddleware<App>(async function forwardElsewhere(c, next) {
    const worker = workerOf(c.env, context)
    if (worker === undefined) return await next()
    const { method } = c.req
    const body = method === 'GET' || method === 'HEAD' ? null : await requestBody(c, sizes.bodyBytes)
    const headers = headersOf(c, { kind: 'anonymous' })
    for (const name of ['content-encoding', 'content-length']) headers.delete(name)
    const response = await callContext(c.env, context, { deadlineMs, isRepeatable: false }, (signal) =>
      worker.fetch(new Request(c.req.url, { method, headers, body, signal })),
    )
    // The headers of an answer of another Worker cannot be added to.
    return new Response(response.body, response)
  })

function headersOf(c: AppContext, principal: ForwardedCaller['principal']): Headers {
  const hops = (c.env.forwarded?.hops ?? 0) + 1
  if (hops > maxHops) throw new Error('CONTEXTS: Workers pass a request on in a circle; see docs/taking-apart.md')
  const headers = new Headers(c.req.raw.headers)
  const caller: ForwardedCaller = { principal, hops }
  headers.set(callerHeader, encodeURIComponent(JSON.stringify(caller)))
  headers.set('x-request-id', c.get('requestId'))
  headers.delete(operationHeader)
  return headers
}

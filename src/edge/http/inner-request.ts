import type { Env } from '../../env.ts'
import { app } from './app.ts'
import { callableOperation } from './callable-operations.ts'

/**
 * Calls an operation as the server of a tenant, within this Worker; `given` has its `params`, `query` and `body`. Returns why it
 * cannot be called instead of an answer.
 */
export async function asServerOf(
  env: Env,
  context: ExecutionContext,
  tenant: string,
  id: string,
  given: unknown,
  key: string,
): Promise<Response | string> {
  const definition = callableOperation(id)
  if (definition === undefined) return `operation: there is no operation "${id}"`
  const unknown = Object.keys(fieldsOf(given)).find((name) => !parts.includes(name))
  if (unknown !== undefined) return `input: may have params, query and body, got "${unknown}"`
  const { params, query, body } = partsOf(given)
  const missing: string[] = []
  const path = definition.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name]
    if (typeof value !== 'string' && typeof value !== 'number') missing.push(name)
    return encodeURIComponent(String(value))
  })
  if (missing.length > 0) return `input: params.${missing[0]} is needed`
  const url = new URL(path, 'https://inner.invalid')
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
  const request = new Request(url, {
    method: definition.method.toUpperCase(),
    headers: { 'idempotency-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  // The configuration belongs to the Worker's own bindings, and is read once for them.
  const inner: Env = Object.create(env, { innerTenant: { value: tenant }, worker: { value: env.worker ?? env } })
  return await app.fetch(request, inner, context)
}

const parts = ['params', 'query', 'body']

function partsOf(given: unknown) {
  const named = fieldsOf(given)
  return { params: fieldsOf(named['params']), query: fieldsOf(named['query']), body: named['body'] ?? undefined }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

import { createMiddleware } from 'hono/factory'
import { loadConfig } from '../../config.ts'
import { systemClock } from '../../kernel/clock.ts'
import { allowsOrigin, foreignOrigin } from '../../protocol/origins.ts'
import type { App, AppContext } from '../http/context.ts'
import { fail } from '../http/problem.ts'
import { tenantRecordOf } from '../identity/tenants.ts'

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const allowedHeaders = 'Authorization, Content-Type, Idempotency-Key, If-None-Match'
const exposedHeaders = [
  'ETag',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Request-Id',
].join(', ')
/** Browsers keep a preflight's answer for two hours at most (Chromium). */
const preflightSeconds = 7200

/**
 * CORS for pages of other origins. A preflight carries no credentials, so it is answered before authentication and for
 * any origin; what the tenant allows is decided on the request itself. Its answer, also an error, may be read by the
 * page unless its origin was refused.
 */
export const crossOrigin = () =>
  createMiddleware<App>(async function crossOrigin(c, next) {
    const isPreflight = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined
    if (isPreflight) {
      c.header('Access-Control-Allow-Origin', '*')
      c.header('Access-Control-Allow-Methods', allowedMethods)
      c.header('Access-Control-Allow-Headers', allowedHeaders)
      c.header('Access-Control-Max-Age', String(preflightSeconds))
      return c.body(null, 204)
    }
    c.set('allowOrigin', '*')
    await next()
    c.header('Vary', 'Origin', { append: true })
    const allowOrigin = c.get('allowOrigin')
    if (c.req.header('origin') !== undefined && allowOrigin !== '') {
      c.header('Access-Control-Allow-Origin', allowOrigin)
      c.header('Access-Control-Expose-Headers', exposedHeaders)
    }
    return undefined
  })

/** Refuses requests of pages whose origin the tenant does not list; behind authentication, which says which tenant. */
export const onlyAllowedOrigins = () =>
  createMiddleware<App>(async function onlyAllowedOrigins(c, next) {
    await requireAllowedOrigin(c)
    return await next()
  })

/** The same as a step: throws the refusal, and notes which origin may read the answer. */
export async function requireAllowedOrigin(c: AppContext): Promise<void> {
  const header = c.req.header('origin')
  const principal = c.get('principal')
  if (header === undefined || principal.kind === 'anonymous') return
  const origin = foreignOrigin(header, [c.req.url, loadConfig(c.env).publicUrl])
  if (origin === '') return
  const tenant = c.get('tenant') ?? (await tenantRecordOf(c.env, principal.tenant, systemClock.now()))
  const origins = tenant?.origins
  if (!allowsOrigin(origins, origin)) {
    c.set('allowOrigin', '')
    fail('not-allowed', 'Origin: not in your list of origins; PATCH /v1/settings changes it')
  }
  if (origins !== undefined && !origins.includes('*')) c.set('allowOrigin', origin)
}

/** The CORS headers of an answer under /v1. */
export function corsHeaders(c: AppContext): Record<string, string> {
  const allowOrigin = c.get('allowOrigin')
  if (c.req.header('origin') === undefined || allowOrigin === '') return { Vary: 'Origin' }
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': allowOrigin,
    'Access-Control-Expose-Headers': exposedHeaders,
  }
}

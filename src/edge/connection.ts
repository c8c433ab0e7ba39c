import { gatewayName, gatewayNamed } from '../../durable-objects/address.ts'
import { claimedBy } from '../auth/token.ts'
import { loadConfig, type Config } from '../config.ts'
import type { Env } from '../env.ts'
import { problems } from '../protocol/problems.ts'
import { addressedHeaders, clientAddress, countedAddress } from './client-address.ts'
import { takeConnect } from './house-levels.ts'

export const connectionPath = '/connection/websocket'

/**
 * Hands a WebSocket to the caller's gateway, untouched: a 101 answer's headers must not be changed, so this comes
 * before all middleware. A token in the query, if any, keeps a user on the same gateway; it proves nothing here.
 */
export async function connect(request: Request, env: Env): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    return new Response('This is the WebSocket endpoint of the Centrifuge protocol.\n', {
      status: 426,
      headers: { Upgrade: 'websocket' },
    })
  }
  const waitMs = await takeConnect(env, countedAddress(request, env))
  if (waitMs > 0) return tooManyConnects(waitMs)
  return gatewayFor(request, env).fetch(request.url, { headers: addressedHeaders(request, env) })
}

/** The gateway of the region a request comes from; the same one for the same caller. */
export function gatewayFor(request: Request, env: Env) {
  const config = loadConfig(env)
  return gatewayNamed(env, gatewayName(regionOf(request, config), callerOf(request, env), config.gatewaysPerRegion))
}

/** The region whose gateways serve a request. */
export const regionOf = (request: Request, { regions }: Pick<Config, 'regions'>): string =>
  regions.get(String(request.cf?.continent)) ?? regions.get('*') ?? 'enam'

function tooManyConnects(waitMs: number): Response {
  const { status, title } = problems['too-many-requests']
  const detail = `connects: wait ${waitMs} ms`
  const problem = { type: '/docs/errors#too-many-requests', title, status, detail, retryAfterMs: waitMs }
  const headers = { 'Content-Type': 'application/problem+json', 'Retry-After': String(Math.ceil(waitMs / 1000)) }
  return new Response(JSON.stringify(problem), { status, headers })
}

function callerOf(request: Request, env: Env): string {
  const token = new URL(request.url).searchParams.get('token')
  const claimed = token === null ? undefined : claimedBy(token)
  if (claimed !== undefined) return `${claimed.tenant}/${claimed.user}`
  return clientAddress(request, loadConfig(env)) ?? ''
}

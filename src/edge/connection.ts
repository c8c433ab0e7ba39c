import { gatewayName, gatewayNamed } from '../../durable-objects/address.ts'
import { tenantOfToken } from '../auth/token.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'

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
  const config = loadConfig(env)
  const continent = request.cf?.continent
  const region = config.regions.get(String(continent)) ?? config.regions.get('*') ?? 'enam'
  return gatewayNamed(env, gatewayName(region, callerOf(request), config.gatewaysPerRegion)).fetch(request)
}

function callerOf(request: Request): string {
  const token = new URL(request.url).searchParams.get('token')
  const tenant = token === null ? undefined : tenantOfToken(token)
  return tenant === undefined
    ? (request.headers.get('cf-connecting-ip') ?? '')
    : `${tenant}/${token?.split('.')[1] ?? ''}`
}

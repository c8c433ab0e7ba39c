import { gatewayNamed } from '../../../durable-objects/address.ts'
import { claimedBy } from '../../auth/token.ts'
import { loadConfig, type Config } from '../../config.ts'
import { forRequest, type Env } from '../../env.ts'
import { spreadMs } from '../../kernel/retry.ts'
import { problems, type ProblemName } from '../../protocol/problems.ts'
import { addressedHeaders, clientAddress, countedAddress } from '../identity/client-address.ts'
import { bearsAnother, holdConnection } from './hold-connection.ts'
import { takeConnect } from '../rate-limits/platform-limits.ts'
import { gatewayName } from '../../realtime/gateway-names.ts'

export const connectionPath = '/connection/websocket'

/**
 * Hands a WebSocket to the caller's gateway, untouched: a 101 answer's headers must not be changed, so this comes
 * before all middleware. A token in the query, if any, keeps a user on the same gateway; it proves nothing here.
 */
export async function connect(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const requestId = crypto.randomUUID()
  return await open(request, requestId, forRequest(env, { requestId }), ctx)
}

async function open(request: Request, requestId: string, env: Env, ctx: ExecutionContext): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    return new Response('This is the WebSocket endpoint of the Centrifuge protocol.\n', {
      status: 426,
      headers: { Upgrade: 'websocket' },
    })
  }
  const waitMs = await takeConnect(env, countedAddress(request, env))
  if (waitMs > 0) return refused(requestId, 'too-many-requests', `connects: wait ${waitMs} ms`, waitMs)
  if (!bearsAnother(env))
    return refused(requestId, 'unavailable', 'connections: this server has as many as it bears', fullWaitMs())
  const headers = addressedHeaders(request, env)
  return await holdConnection({ env, executionCtx: ctx }, gatewayFor(request, env), request.url, { headers })
}

/** The gateway of the region a request comes from; the same one for the same caller. */
export function gatewayFor(request: Request, env: Env) {
  const config = loadConfig(env)
  return gatewayNamed(env, gatewayName(regionOf(request, config), callerOf(request, env), config.gatewaysPerRegion))
}

/** The region whose gateways serve a request. */
export const regionOf = (request: Request, { regions }: Pick<Config, 'regions'>): string =>
  regions.get(String(request.cf?.continent)) ?? regions.get('*') ?? 'enam'

/** A connection is free when another ends, which cannot be foretold. */
export const fullWaitMs = (): number => spreadMs(5000, Math.random())

/** What a WebSocket is answered instead of being opened. */
function refused(requestId: string, name: ProblemName, detail: string, waitMs: number): Response {
  const { status, title } = problems[name]
  const problem = { type: `/docs/errors#${name}`, title, status, detail, requestId, retryAfterMs: waitMs }
  const headers = {
    'Content-Type': 'application/problem+json',
    'X-Request-Id': requestId,
    'Retry-After': String(Math.ceil(waitMs / 1000)),
  }
  return new Response(JSON.stringify(problem), { status, headers })
}

function callerOf(request: Request, env: Env): string {
  const token = new URL(request.url).searchParams.get('token')
  const claimed = token === null ? undefined : claimedBy(token)
  if (claimed !== undefined) return `${claimed.tenant}/${claimed.user}`
  return clientAddress(request, loadConfig(env)) ?? ''
}

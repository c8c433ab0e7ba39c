import type { gatewayNamed } from '../../../durable-objects/address.ts'
import { loadConfig } from '../../config.ts'
import type { Env } from '../../env.ts'
import { randomToken } from '../../kernel/id.ts'
import { systemClock } from '../../kernel/clock.ts'
import { log } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { connectionHeader } from '../../protocol/connection-header.ts'
import { openConnections } from '../../realtime/open-connections.ts'

/** A pending timer keeps the request's context alive, which the platform would end while its promise waits. */
const keepAliveMs = 86_400_000
const logEveryMs = 10_000
let loggedAt = Number.NEGATIVE_INFINITY

/** Whether the process bears another connection; a refusal is logged with its reason, at most every ten seconds. */
export function bearsAnother(env: Env): boolean {
  const { maxConnections } = loadConfig(env)
  const { count } = openConnections
  if (count < maxConnections) return true
  const now = systemClock.now()
  if (now - loggedAt >= logEveryMs) {
    log.warn('edge.connections-refused', { ...idsOf(env.request), open: count, max: maxConnections })
    loggedAt = now
  }
  return false
}

/**
 * Opens a connection at a gateway. Where clients connect to this process itself it counts as open, and can be ended by
 * {@link openConnections}, until the gateway says that it has ended.
 */
export async function holdConnection(
  { env, executionCtx }: { readonly env: Env; readonly executionCtx: Pick<ExecutionContext, 'waitUntil'> },
  gateway: ReturnType<typeof gatewayNamed>,
  url: string,
  init: RequestInit & { readonly headers: Headers },
): Promise<Response> {
  if (!loadConfig(env).directClients) return await gateway.fetch(url, init)
  const id = randomToken(12)
  const ended = Promise.withResolvers<void>()
  const controller = new AbortController()
  const keepAlive = setInterval(() => {}, keepAliveMs)
  openConnections.open(id, gateway.name ?? '', ended.resolve)
  executionCtx.waitUntil(letGo(ended.promise, keepAlive, controller))
  init.headers.set(connectionHeader, id)
  try {
    const response = await gateway.fetch(url, { ...init, signal: controller.signal })
    if (!response.ok && response.status !== 101) openConnections.end(id)
    return response
  } catch (thrown) {
    openConnections.end(id)
    throw thrown
  }
}

async function letGo(
  ended: Promise<void>,
  keepAlive: ReturnType<typeof setInterval>,
  controller: AbortController,
): Promise<void> {
  await ended
  clearInterval(keepAlive)
  controller.abort()
}

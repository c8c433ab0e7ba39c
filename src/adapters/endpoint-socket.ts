import { connect } from 'cloudflare:sockets'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { badEndpoint } from '../kernel/outside-url.ts'
import { endpointOf } from './dependencies.ts'
import { callDependency, type CallTimes } from './dependency.ts'
import { BadEndpoint } from './endpoint.ts'

/** A server that a tenant named, for a protocol that is not HTTP. */
export interface EndpointSocket extends CallTimes {
  readonly tenant: string
  readonly hostname: string
  readonly port: number
}

/**
 * The only way to open a TCP connection with TLS to a host that a tenant named, through the same network as `fetchEndpoint`.
 * Resolves when the connection is open. Throws BadEndpoint, CallRefused, or the runtime's error when the host does not answer.
 */
export async function connectEndpoint(
  env: Env,
  { tenant, hostname, port, ...times }: EndpointSocket,
  secureTransport: 'on' | 'starttls' = 'on',
): Promise<Socket> {
  const bad = badHost(env, hostname)
  if (bad !== undefined) throw new BadEndpoint(bad.replace(/^url:/, 'host:'))
  return await callDependency(endpointOf(tenant, `${hostname}:${port}`), times, async (signal) => {
    const open = env.ENDPOINTS === undefined ? connect : env.ENDPOINTS.connect.bind(env.ENDPOINTS)
    const socket = open({ hostname, port }, { secureTransport, allowHalfOpen: false })
    const close = () => void socket.close()
    signal.addEventListener('abort', close)
    try {
      await socket.opened
    } finally {
      signal.removeEventListener('abort', close)
    }
    return { value: socket }
  })
}

/** The rules of `badEndpoint` for the host alone, which is to be nothing but a host. */
function badHost(env: Env, hostname: string): string | undefined {
  const url = `https://${hostname}/`
  if (!URL.canParse(url) || new URL(url).hostname !== hostname.toLowerCase()) return 'url: not the name of a host'
  return badEndpoint(url, loadConfig(env).endpoints)
}

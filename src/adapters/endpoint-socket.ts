import { connect } from 'cloudflare:sockets'
import type { Env } from '../env.ts'
import { endedBy } from './deadline.ts'
import { endpointOf } from './dependencies.ts'
import { callDependency, type Answered, type CallTimes } from './dependency.ts'
import { BadEndpoint, badEndpointHost } from './endpoint.ts'

/** A server that a tenant named, for a protocol that is not HTTP. */
export interface EndpointSocket extends CallTimes {
  readonly tenant: string
  readonly hostname: string
  readonly port: number
}

/**
 * The only way to open a TCP connection to a host that a tenant named, through the same network as `fetchEndpoint`: with TLS, or without
 * it so that `use` begins it. The connection is closed when `use` has ended, and at the deadline. Throws BadEndpoint, CallRefused, or the
 * runtime's error when the host does not answer.
 */
export async function connectEndpoint<T>(
  env: Env,
  { tenant, hostname, port, ...times }: EndpointSocket,
  secureTransport: 'on' | 'starttls',
  use: (socket: Socket, signal: AbortSignal) => Promise<Answered<T>>,
): Promise<T> {
  const bad = badEndpointHost(env, hostname)
  if (bad !== undefined) throw new BadEndpoint(bad)
  return await callDependency(endpointOf(tenant, `${hostname}:${port}`), times, async (signal) => {
    const open = env.ENDPOINTS === undefined ? connect : env.ENDPOINTS.connect.bind(env.ENDPOINTS)
    const socket = open({ hostname, port }, { secureTransport, allowHalfOpen: false })
    // It may be closed already, or have never been open.
    const close = () => void socket.close().catch(() => {})
    signal.addEventListener('abort', close)
    try {
      await endedBy(signal, socket.opened)
      return await use(socket, signal)
    } finally {
      signal.removeEventListener('abort', close)
      close()
    }
  })
}

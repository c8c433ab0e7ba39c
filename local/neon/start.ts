import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { Pools } from './pools.ts'
import type { Resolve } from './routes.ts'
import { answerSql } from './sql-endpoint.ts'
import { tunnel } from './tunnel.ts'

/** What to serve. */
export interface NeonProxyOptions {
  /** Port on 127.0.0.1; a free one when absent. */
  readonly port?: number
  /** Which caller may use which database; see Resolve. Asked for each query and each session. */
  readonly resolve: Resolve
  readonly log?: (line: string) => void
}

/** A running proxy. */
export interface NeonProxy {
  readonly port: number
  /** `http://127.0.0.1:<port>`; queries go to `/sql`, WebSockets to `/v2` (or `/v1`) with `?address=host:port`. */
  readonly url: string
  /** Ends sessions, cancels running queries, closes all connections. */
  stop(): Promise<void>
}

/**
 * Serves Neon's protocol in front of ordinary Postgres, on loopback only. A Worker using it sets
 * `neonConfig.fetchEndpoint = url + '/sql'`, `neonConfig.wsProxy = '127.0.0.1:<port>/v2'` and
 * `neonConfig.useSecureWebSocket = false`. Rejects when the port is taken.
 */
export async function startNeonProxy({ port = 0, resolve, log = () => {} }: NeonProxyOptions): Promise<NeonProxy> {
  const pools = new Pools(log)
  // Longer than a Worker's pauses: a connection closed just as it is used again would fail that request.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    if (request.method === 'POST' && pathOf(request) === '/sql') void answerSql({ resolve, pools }, request, response)
    else response.writeHead(404).end('POST /sql, or a WebSocket on /v2')
  })
  const sessions = acceptSessions(server, resolve)
  const listening = await listen(server, port)
  return {
    port: listening,
    url: `http://127.0.0.1:${listening}`,
    async stop() {
      const closed = new Promise((done) => server.close(done))
      for (const socket of sessions.clients) socket.terminate()
      server.closeAllConnections()
      await closed
      await pools.end()
    },
  }
}

function acceptSessions(server: Server, resolve: Resolve): WebSocketServer {
  const sessions = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (!['/v1', '/v2'].includes(pathOf(request))) {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
      return
    }
    sessions.handleUpgrade(request, socket, head, (caller) => {
      void tunnel(createWebSocketStream(caller), hostOf(request), resolve)
    })
  })
  return sessions
}

function pathOf(request: IncomingMessage): string {
  return new URL(request.url ?? '/', 'http://proxy').pathname
}

/** The endpoint asked for: `address` when the SDK goes through a `wsProxy` string, else the name we were called by. */
function hostOf(request: IncomingMessage): string {
  const address = new URL(request.url ?? '/', 'http://proxy').searchParams.get('address')
  return (address ?? request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
  return address.port
}

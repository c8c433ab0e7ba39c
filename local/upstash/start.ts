import type { Server } from 'node:http'
import { embeddedBackend } from './embedded.ts'
import type { Clock } from './engine/engine.ts'
import { redisServerBackend } from './redis-server.ts'
import { restServer } from './rest/server.ts'

/** How to start the stand-in for Upstash Redis. */
export interface UpstashOptions {
  /** The bearer token clients must show. */
  readonly token: string
  /** The port on 127.0.0.1; 0, the default, takes any free one. */
  readonly port?: number
  /** Where the embedded engine keeps its keys between runs; without it they are gone at `stop`. */
  readonly dataFile?: string
  /** `redis://[user:password@]host:port[/db]`: put the front before this server instead of the embedded engine. */
  readonly redisUrl?: string
  /** What the embedded engine tells time by, in epoch milliseconds; the system's by default. A real server has its own. */
  readonly clock?: Clock
}

/** A running stand-in. */
export interface Upstash {
  readonly port: number
  /** What goes into UPSTASH_REDIS_REST_URL. */
  readonly url: string
  /** What goes into UPSTASH_REDIS_REST_TOKEN. */
  readonly token: string
  /** Ends open subscriptions, saves what is unsaved and frees the port. */
  stop(): Promise<void>
}

/**
 * Starts a Redis that speaks Upstash's REST protocol on 127.0.0.1.
 *
 * Rejects if the token is empty or the port is taken; a `dataFile` that is not a snapshot is set aside. With `redisUrl` it starts even if no server is there;
 * requests are then answered with status 500 until one is.
 */
export async function startUpstash(options: UpstashOptions): Promise<Upstash> {
  const { token, port = 0, dataFile, redisUrl, clock = { now: () => Date.now() } } = options
  if (token === '') throw new Error('startUpstash needs a token: an empty one would let everybody in')
  const backend = redisUrl === undefined ? await embeddedBackend(clock, dataFile) : redisServerBackend(redisUrl)
  const server = restServer(backend, token)
  try {
    const bound = await listen(server, port)
    return { port: bound, url: `http://127.0.0.1:${bound}`, token, stop }
  } catch (error) {
    await backend.stop()
    throw error
  }

  async function stop(): Promise<void> {
    await close(server)
    await backend.stop()
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

import { once } from 'node:events'
import { type Clock, Engine } from './engine/engine.ts'
import type { Backend } from './reply.ts'
import { restServer } from './rest.ts'
import { SnapshotFile } from './snapshot.ts'

/** How to start the stand-in for Upstash Redis. */
export interface UpstashOptions {
  /** The bearer token of the clients. */
  readonly token: string
  /** The port on 127.0.0.1; 0, the default, takes any free one. */
  readonly port?: number
  /** The file that keeps the keys of the embedded engine between runs. Without it they are lost at `stop`. */
  readonly dataFile?: string
  /** `redis://[user:password@]host:port[/db]`: use this server in place of the embedded engine. */
  readonly redisUrl?: string
  /** The time source of the embedded engine, in epoch milliseconds; the system's by default. */
  readonly clock?: Clock
}

/** A running stand-in. */
export interface Upstash {
  readonly port: number
  /** The value of UPSTASH_REDIS_REST_URL. */
  readonly url: string
  /** The value of UPSTASH_REDIS_REST_TOKEN. */
  readonly token: string
  /** Closes connections, saves unsaved changes and frees the port. */
  stop(): Promise<void>
}

/**
 * Starts a Redis that speaks Upstash's REST protocol on 127.0.0.1.
 *
 * Rejects when the token is empty or the port is taken. A `dataFile` that is not a snapshot is set aside. With
 * `redisUrl` it starts without a connection: requests get status 500 until the server answers.
 */
export async function startUpstash(options: UpstashOptions): Promise<Upstash> {
  const { token, port = 0 } = options
  if (token === '') throw new Error('token: must not be empty, an empty token would admit every client')
  const backend = await openBackend(options)
  const server = restServer(backend, token)
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    await backend.stop()
    throw error
  }
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    token,
    stop: async () => {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await backend.stop()
    },
  }
}

async function openBackend({ redisUrl, dataFile, clock = { now: Date.now } }: UpstashOptions): Promise<Backend> {
  // Loaded on demand: the embedded engine needs no client library.
  if (redisUrl !== undefined) return (await import('./redis-server.ts')).redisServerBackend(redisUrl)
  const engine = new Engine(clock)
  const snapshot = dataFile === undefined ? undefined : await SnapshotFile.open(engine, dataFile)
  return {
    pipeline: async (commands) => commands.map((command) => engine.run(command)),
    transaction: async (commands) => engine.transaction(commands),
    stop: async () => await snapshot?.close(),
  }
}

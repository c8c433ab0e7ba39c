import { once } from 'node:events'
import { scaledClock } from './clock.ts'
import { Dispatcher } from './dispatcher.ts'
import { httpServer } from './http.ts'
import { route } from './routes.ts'
import { Sender } from './sender.ts'
import { openStore } from './store.ts'

const HOST = '127.0.0.1'

/** How to start the stand-in for QStash. */
export interface QstashOptions {
  /** The port to listen on; a free one by default. */
  readonly port?: number
  /** The SQLite file that holds all state; created when missing. */
  readonly dataFile: string
  /** The bearer token of the clients. */
  readonly token: string
  /** The key that signs deliveries. */
  readonly currentSigningKey: string
  /** The key that receivers accept as well. */
  readonly nextSigningKey: string
  /** Divides every wait (delays, back-off, deduplication window) but not the timeout of an attempt; 1 by default. */
  readonly timeScale?: number
  /** Whether a destination or failure callback may be called, for example loopback only; all may by default. */
  readonly allowDestination?: (url: string) => boolean
  /** Receives a line for each attempt and each error. */
  readonly log?: (line: string) => void
}

/** A running stand-in. */
export interface Qstash {
  readonly port: number
  /** The `baseUrl` of the SDK. */
  readonly url: string
  /** Stops it; a second call has no effect. Unfinished deliveries are made again, with the same message ids, by the next start on the same file. */
  stop(): Promise<void>
}

/** Starts an HTTP server on 127.0.0.1 that speaks the part of QStash's protocol that Parley uses. */
export async function startQstash(options: QstashOptions): Promise<Qstash> {
  const { port = 0, dataFile, token, currentSigningKey, allowDestination = () => true, log = () => {} } = options
  const clock = scaledClock(options.timeScale ?? 1)
  const store = openStore(dataFile)
  const dispatcher = new Dispatcher({ store, clock, sender: new Sender(currentSigningKey), log })
  const keys = { current: currentSigningKey, next: options.nextSigningKey }
  const api = { store, clock, allowDestination, keys, wake: () => dispatcher.wake() }
  const server = httpServer({ route: (call) => route(api, call), token, log })
  try {
    server.listen(port, HOST)
    await once(server, 'listening')
  } catch (error) {
    store.close()
    throw error
  }
  dispatcher.wake()

  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  const stop = async () => {
    dispatcher.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    store.close()
  }
  let stopped: Promise<void> | undefined
  return { port: bound, url: `http://${HOST}:${bound}`, stop: () => (stopped ??= stop()) }
}

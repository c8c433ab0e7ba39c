import type { Server } from 'node:http'
import { scaledClock } from './clock.ts'
import { Destinations } from './destinations.ts'
import { Dispatcher } from './dispatcher.ts'
import { httpServer } from './http.ts'
import type { Parts } from './parts.ts'
import { Post } from './post.ts'
import { Publisher } from './publisher.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { eventRoutes } from './routes/events.ts'
import { flowControlRoutes } from './routes/flow-control.ts'
import { keyRoutes } from './routes/keys.ts'
import { messageRoutes } from './routes/messages.ts'
import { publishRoutes } from './routes/publish.ts'
import { queueRoutes } from './routes/queues.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { urlGroupRoutes } from './routes/url-groups.ts'
import type { Route } from './router.ts'
import { Scheduler } from './scheduler.ts'
import { Sender } from './sender.ts'
import { Settlement } from './settlement.ts'
import { openStore } from './store/store.ts'

const HOST = '127.0.0.1'

/** How to start QStash on this machine. */
export interface QstashOptions {
  /** The port to listen on; a free one when left out. */
  port?: number
  /** The SQLite file that holds all state; created when missing. */
  dataFile: string
  /** The bearer token clients must show. */
  token: string
  /** The key deliveries are signed with. */
  currentSigningKey: string
  /** The key receivers accept as well. */
  nextSigningKey: string
  /**
   * Divides every wait (delays, back-off, cron, rate periods, deduplication window) but not the timeouts of attempts;
   * 1 when left out.
   */
  timeScale?: number
  /** Says whether a destination or callback may be called, for example loopback only; all may when left out. */
  allowDestination?: (url: string) => boolean
  /** Receives a line for each attempt and each error; silent when left out. */
  log?: (line: string) => void
}

/** QStash, running. */
export interface Qstash {
  port: number
  /** What the SDK calls `baseUrl`. */
  url: string
  /** Ends it; a second call changes nothing. Deliveries under way are made again, under the same message ids, by the next start on the same file. */
  stop(): Promise<void>
}

/** Starts an HTTP server on 127.0.0.1 that speaks QStash's protocol to the unmodified SDK. */
export async function startQstash(options: QstashOptions): Promise<Qstash> {
  const { port = 0, token, log = () => {} } = options
  const parts = assemble(options, log)
  const server = httpServer({ routes: routesOf(parts), token, log })
  await listening(server, port).catch((error: unknown) => {
    parts.store.close()
    throw error
  })
  parts.dispatcher.wake()

  const bound = boundPort(server)
  let stopped: Promise<void> | undefined
  return { port: bound, url: `http://${HOST}:${bound}`, stop: () => (stopped ??= stop(server, parts)) }
}

function assemble(options: QstashOptions, log: (line: string) => void): Parts {
  const { dataFile, currentSigningKey, nextSigningKey, timeScale = 1, allowDestination = () => true } = options
  const clock = scaledClock(timeScale)
  const store = openStore(dataFile)
  const destinations = new Destinations(store.groups, allowDestination)
  const post = new Post(store, clock)
  const scheduler = new Scheduler(store, clock, post, destinations)
  const sender = new Sender(currentSigningKey)
  const settlement = new Settlement(store, clock, post)
  return {
    store,
    clock,
    destinations,
    post,
    scheduler,
    publisher: new Publisher(store, clock, post, destinations),
    dispatcher: new Dispatcher({ store, clock, scheduler, sender, settlement, log }),
    keys: { current: currentSigningKey, next: nextSigningKey },
  }
}

function routesOf(parts: Parts): Route[] {
  const resources = [publishRoutes, messageRoutes, deadLetterRoutes, scheduleRoutes, queueRoutes, urlGroupRoutes]
  return [...resources, flowControlRoutes, eventRoutes, keyRoutes].flatMap((routes) => routes(parts))
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function boundPort(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('QStash is not listening on a port')
  return address.port
}

async function stop(server: Server, { dispatcher, store }: Parts): Promise<void> {
  dispatcher.stop()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  store.close()
}

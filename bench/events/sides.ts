import { join } from 'node:path'
import { Queue, Worker } from 'bullmq'
import { PgBoss } from 'pg-boss'
import { startPostgres } from '../../local/postgres/start.ts'
import { startRedis } from '../jobs/bullmq.ts'
import { serveParley } from '../jobs/parley.ts'
import { inLanes } from '../jobs/side.ts'
import { pause, type Processes } from '../processes.ts'
import { post, type Endpoint } from '../sagas/endpoint.ts'

/** A system that keeps events until each was posted to an endpoint, and forgets none when it is killed. */
export interface Side {
  readonly what: string
  /** Publishes so many events, `together` in each call and `lanes` calls at once; resolves when the last was posted. */
  readonly publish: (count: number, together: number, lanes: number) => Promise<void>
  /** From before an event is published until it reaches the endpoint, one after the other, in milliseconds. */
  readonly latencies: (samples: number, pauseMs: number) => Promise<number[]>
  readonly stop: () => Promise<void>
}

const concurrency = 100
/** Events are ordered by key at Parley; the others have no order. */
const keys = 1000

const eventOf = (run: string, n: number) => ({
  type: 'order.placed',
  source: '/bench',
  id: `${run}-${n}`,
  key: `customer-${n % keys}`,
  data: { order: n, total: 20, note: 'two of the blue ones, please' },
})
type BenchEvent = ReturnType<typeof eventOf>

/** How a side publishes events in one call. */
type Publish = (events: readonly BenchEvent[]) => Promise<unknown>

function side(what: string, endpoint: Endpoint, publish: Publish, stop: () => Promise<void>): Side {
  let runs = 0
  const run = () => `run-${runs++}`
  return {
    what,
    stop,
    async publish(count, together, lanes) {
      const name = run()
      const all = endpoint.further(count)
      await inLanes(count / together, lanes, (batch) =>
        publish(Array.from({ length: together }, (_, n) => eventOf(name, batch * together + n))),
      )
      await all
    },
    async latencies(samples, pauseMs) {
      const name = run()
      const latencies: number[] = []
      for (let n = 0; n < samples; n++) {
        await pause(pauseMs)
        const since = performance.now()
        const arrived = endpoint.next()
        await publish([eventOf(name, n)])
        latencies.push((await arrived) - since)
      }
      return latencies
    },
  }
}

/** Parley's events with one pushed consumer. */
export async function startParley(folder: string, processes: Processes, endpoint: Endpoint): Promise<Side> {
  const { api, stop } = await serveParley(folder, processes)
  await api.call('PUT', '/v1/consumers/bench', {
    topic: 'default',
    push: { url: `${endpoint.origin}/events` },
    parallel: concurrency,
  })
  return side(
    `events over HTTP on plain workerd, one consumer that pushes ${concurrency} keys at once, in order for each key, signed; SQLite in WAL mode, synchronous=FULL: an fsync before each answer`,
    endpoint,
    (events) => api.call('POST', '/v1/events', events.length === 1 ? events[0] : events),
    stop,
  )
}

/** A BullMQ queue whose Worker posts. */
export async function startBull(folder: string, processes: Processes, endpoint: Endpoint): Promise<Side> {
  const { connection, stop } = await startRedis(folder, processes, 'always')
  const queue = new Queue<BenchEvent>('events', { connection })
  const worker = new Worker<BenchEvent>(
    'events',
    ({ data }) => post(`${endpoint.origin}/events`, JSON.stringify(data)),
    { connection, concurrency },
  )
  await worker.waitUntilReady()
  const opts = { removeOnComplete: true }
  return side(
    `a BullMQ queue, one Worker of concurrency ${concurrency} in the bench's own process, no order by key, not signed; Redis append-only file, appendfsync always`,
    endpoint,
    (events) => queue.addBulk(events.map((data) => ({ name: data.type, data, opts: { ...opts, jobId: data.id } }))),
    async () => {
      await worker.close()
      await queue.close()
      await stop()
    },
  )
}

/** A pg-boss queue whose worker posts. */
export async function startBoss(folder: string, _processes: Processes, endpoint: Endpoint): Promise<Side> {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), databases: ['events'], replica: false })
  const boss = new PgBoss({ connectionString: postgres.url('events'), max: 10 })
  await boss.start()
  await boss.createQueue('events')
  const work = async (jobs: readonly { data: object }[]) => {
    await Promise.all(jobs.map(({ data }) => post(`${endpoint.origin}/events`, JSON.stringify(data))))
  }
  await boss.work<object>('events', { batchSize: concurrency, pollingIntervalSeconds: 0.5 }, work)
  return side(
    `pg-boss, batches of ${concurrency}, asked every 0.5 s (its least), no order by key, not signed; Postgres with fsync and synchronous_commit on`,
    endpoint,
    async (events) => {
      const [first] = events
      if (events.length === 1 && first !== undefined) await boss.send('events', first)
      else
        await boss.insert(
          'events',
          events.map((data) => ({ data })),
        )
    },
    async () => {
      await boss.stop({ graceful: false })
      await postgres.stop()
    },
  )
}

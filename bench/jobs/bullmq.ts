import { connect } from 'node:net'
import { Queue, Worker } from 'bullmq'
import { freePort } from '../ports.ts'
import { pause, type Processes } from '../processes.ts'
import { inLanes, perSecond, type Neighbours, type Side } from './side.ts'

const concurrency = 100
const removed = { removeOnComplete: true, removeOnFail: true }

/** BullMQ on a Redis of its own. What per-key limits are in its paid edition only, so it runs without any. */
export async function startBullmq(
  directory: string,
  processes: Processes,
  appendfsync: 'everysec' | 'always',
): Promise<Side> {
  const { connection, stop } = await startRedis(directory, processes, appendfsync)
  return new Bullmq(connection, appendfsync, stop)
}

/** A Redis with an append-only file. */
export async function startRedis(
  directory: string,
  processes: Processes,
  appendfsync: 'everysec' | 'always',
): Promise<{ readonly connection: Connection; readonly stop: () => Promise<void> }> {
  const port = await freePort()
  const args = ['--port', String(port), '--dir', directory, '--appendonly', 'yes', '--appendfsync', appendfsync]
  const more = ['--appendfilename', `${appendfsync}.aof`, '--appenddirname', appendfsync, '--save', '']
  const redis = processes.start({
    name: `redis-${appendfsync}`,
    command: 'redis-server',
    args: [...args, ...more, '--maxmemory-policy', 'noeviction'],
    logs: directory,
  })
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  await redis.ready(() => accepts(port), 10_000)
  return { connection, stop: () => redis.stop() }
}

/** Whether a server listens there. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

export type Connection = { host: string; port: number; maxRetriesPerRequest: null }

class Bullmq implements Side {
  readonly name: string
  readonly what = `Queue.add, addBulk and one Worker of concurrency ${concurrency} in the bench's own process; no per-key limits`
  readonly durability: string
  readonly #connection: Connection
  readonly #end: () => Promise<void>
  #queues = 0

  constructor(connection: Connection, appendfsync: string, end: () => Promise<void>) {
    this.name = `bullmq ${appendfsync}`
    this.durability = `Redis append-only file, appendfsync ${appendfsync}`
    this.#connection = connection
    this.#end = end
  }

  async single(jobs: number, lanes: number): Promise<number> {
    return this.#with(async (queue) => {
      const since = performance.now()
      await inLanes(jobs, lanes, (n) => queue.add('no-op', { n }, removed))
      return perSecond(jobs, since)
    })
  }

  async batch(jobs: number, together: number): Promise<number> {
    return this.#with(async (queue) => {
      const since = performance.now()
      await this.#fill(queue, jobs, together)
      return perSecond(jobs, since)
    })
  }

  async drain(jobs: number): Promise<number> {
    return this.#with(async (queue) => {
      await this.#fill(queue, jobs, 500)
      let done = 0
      const drained = Promise.withResolvers<void>()
      const since = performance.now()
      const worker = this.#worker(queue, async () => {
        if (++done === jobs) drained.resolve()
      })
      await drained.promise
      const rate = perSecond(jobs, since)
      await worker.close()
      return rate
    })
  }

  async starts(samples: number, pauseMs: number): Promise<number[]> {
    return this.#with(async (queue) => {
      const starts = new Starts()
      const worker = this.#worker(queue, async (n) => starts.begun(n))
      await worker.waitUntilReady()
      const latencies: number[] = []
      for (let n = 0; n < samples; n++) {
        latencies.push(await starts.measure(() => queue.add('one', { n }, removed), n))
        await pause(pauseMs)
      }
      await worker.close()
      return latencies
    })
  }

  /** Both tenants share one queue: without groups, which are in the paid edition, that is what there is. */
  async neighbours(backlog: number, samples: number, everyMs: number): Promise<Neighbours> {
    return this.#with(async (queue) => {
      const starts = new Starts()
      const steady = async (from: number) => {
        const latencies: Promise<number>[] = []
        for (let n = from; n < from + samples; n++) {
          latencies.push(starts.measure(() => queue.add('quiet', { n }, removed), n))
          await pause(everyMs)
        }
        return Promise.all(latencies)
      }
      let worker = this.#worker(queue, async (n) => starts.begun(n))
      await worker.waitUntilReady()
      const alone = await steady(1)
      await worker.close()
      await this.#fill(queue, backlog, 500)
      worker = this.#worker(queue, async (n) => starts.begun(n))
      const crowded = await steady(samples + 1)
      const left = await queue.getWaitingCount()
      await worker.close()
      return { alone, crowded, left }
    })
  }

  async stop(): Promise<void> {
    await this.#end()
  }

  async #with<T>(work: (queue: Queue) => Promise<T>): Promise<T> {
    const queue = new Queue(`bench-${this.#queues++}`, { connection: this.#connection })
    try {
      return await work(queue)
    } finally {
      await queue.obliterate({ force: true })
      await queue.close()
    }
  }

  async #fill(queue: Queue, jobs: number, together: number): Promise<void> {
    await inLanes(jobs / together, 4, () =>
      queue.addBulk(Array.from({ length: together }, () => ({ name: 'no-op', data: { n: -1 }, opts: removed }))),
    )
  }

  #worker(queue: Queue, work: (n: number) => Promise<void>): Worker<{ n: number }> {
    return new Worker<{ n: number }>(queue.name, ({ data }) => work(data.n), {
      connection: this.#connection,
      concurrency,
    })
  }
}

/** When jobs began, by their number. */
class Starts {
  readonly #waiting = new Map<number, (at: number) => void>()

  begun(n: number): void {
    this.#waiting.get(n)?.(performance.now())
  }

  async measure(add: () => Promise<unknown>, n: number): Promise<number> {
    const since = performance.now()
    const begun = new Promise<number>((resolve) => this.#waiting.set(n, resolve))
    await add()
    return (await begun) - since
  }
}

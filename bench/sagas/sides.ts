import { join } from 'node:path'
import { FlowProducer, Queue, Worker } from 'bullmq'
import { PgBoss } from 'pg-boss'
import { startPostgres } from '../../local/postgres/start.ts'
import { startRedis } from '../jobs/bullmq.ts'
import { serveParley } from '../jobs/parley.ts'
import { inLanes } from '../jobs/side.ts'
import { pause, type Processes } from '../processes.ts'
import { post, type Endpoint } from './endpoint.ts'
import { stepsOfRun, type Side } from './side.ts'

const concurrency = 100
const steps = Array.from({ length: stepsOfRun }, (_, n) => `step-${n}`)

/** Parley's sagas over its HTTP API. */
export async function startSagas(folder: string, processes: Processes, endpoint: Endpoint): Promise<Side> {
  const { api, stop } = await serveParley(folder, processes)
  const definition = {
    steps: steps.map((name) => ({ name, call: { url: `${endpoint.origin}/${name}`, body: 'input' } })),
  }
  await api.call('PUT', '/v1/sagas/three', definition)
  const start = (id: string) => api.call('POST', '/v1/sagas/three/runs', { id, input: { id } })
  let batches = 0
  return {
    what: 'sagas over HTTP on plain workerd; SQLite in WAL mode, synchronous=FULL: an fsync before each answer and each call',
    runs: async (count, lanes) => {
      const batch = batches++
      await together(
        endpoint,
        count,
        inLanes(count, lanes, (n) => start(`${batch}-${n}`)),
      )
    },
    starts: (samples) => oneByOne(endpoint, samples, (n) => start(`alone-${batches++}-${n}`)),
    stop,
  }
}

/** A flow of BullMQ: each step is the child of the next. */
export async function startFlow(folder: string, processes: Processes, endpoint: Endpoint): Promise<Side> {
  const { connection, stop } = await startRedis(folder, processes, 'always')
  const queue = new Queue('steps', { connection })
  const flows = new FlowProducer({ connection })
  const worker = new Worker<{ id: string }>(
    'steps',
    ({ name, data }) => post(`${endpoint.origin}/${name}`, JSON.stringify(data)),
    {
      connection,
      concurrency,
    },
  )
  await worker.waitUntilReady()
  const start = (id: string) =>
    flows.add(
      steps.reduce<Parameters<FlowProducer['add']>[0] | undefined>(
        (child, name) => ({
          name,
          queueName: 'steps',
          data: { id },
          opts: { removeOnComplete: true },
          ...(child === undefined ? {} : { children: [child] }),
        }),
        undefined,
      ) ?? { name: 'none', queueName: 'steps' },
    )
  return {
    what: `a flow of three jobs, one Worker of concurrency ${concurrency} in the bench's own process; Redis append-only file, appendfsync always`,
    runs: (count, lanes) =>
      together(
        endpoint,
        count,
        inLanes(count, lanes, (n) => start(String(n))),
      ),
    starts: (samples) => oneByOne(endpoint, samples, (n) => start(String(n))),
    stop: async () => {
      await worker.close()
      await flows.close()
      await queue.close()
      await stop()
    },
  }
}

/** A table of steps in Postgres by pg-boss: the handler of each step adds the next in the same queue system. */
export async function startBoss(folder: string, _processes: Processes, endpoint: Endpoint): Promise<Side> {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), databases: ['steps'], replica: false })
  const boss = new PgBoss({ connectionString: postgres.url('steps'), max: 10 })
  await boss.start()
  for (const [n, name] of steps.entries()) {
    await boss.createQueue(name)
    const next = steps[n + 1]
    const work = async (jobs: readonly { data: object }[]) => {
      await Promise.all(
        jobs.map(async ({ data }) => {
          await post(`${endpoint.origin}/${name}`, JSON.stringify(data))
          if (next !== undefined) await boss.send(next, data)
        }),
      )
    }
    await boss.work<object>(name, { batchSize: concurrency, pollingIntervalSeconds: 0.5 }, work)
  }
  const start = (id: string) => boss.send('step-0', { id })
  return {
    what: `pg-boss, batches of ${concurrency}, asked every 0.5 s (its least); Postgres with fsync and synchronous_commit on`,
    runs: (count, lanes) =>
      together(
        endpoint,
        count,
        inLanes(count, lanes, (n) => start(String(n))),
      ),
    starts: (samples) => oneByOne(endpoint, samples, (n) => start(String(n))),
    stop: async () => {
      await boss.stop({ graceful: false })
      await postgres.stop()
    },
  }
}

async function together(endpoint: Endpoint, count: number, started: Promise<void>): Promise<void> {
  const all = endpoint.further(count * stepsOfRun)
  await started
  await all
}

async function oneByOne(
  endpoint: Endpoint,
  samples: number,
  start: (n: number) => Promise<unknown>,
): Promise<number[]> {
  const latencies: number[] = []
  for (let n = 0; n < samples; n++) {
    const since = performance.now()
    const first = endpoint.next()
    await start(n)
    latencies.push((await first) - since)
    // The other steps of this run end before the next begins.
    await pause(100)
  }
  return latencies
}

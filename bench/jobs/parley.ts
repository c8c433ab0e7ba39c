import { readFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { answers, freePort } from '../ports.ts'
import { pause, type Processes } from '../processes.ts'
import { inLanes, perSecond, type Neighbours, type Side } from './side.ts'

const root = join(import.meta.dirname, '../..')
const agent = new Agent({ keepAlive: true, maxSockets: 128 })
/** Keys of the drained jobs; concurrency, order and rate are on for each of them. */
const keys = 100

/** Parley as `npm run serve` runs it, over its HTTP API, with per-key limits on. */
export async function startParley(directory: string, processes: Processes): Promise<Side> {
  const { api, adminKey, stop } = await serveParley(directory, processes)
  return new Parley(api, adminKey, await Endpoint.open(), stop)
}

/** The server as `npm run serve` starts it, with its HTTP API and the operator's key. */
export async function serveParley(
  directory: string,
  processes: Processes,
): Promise<{ readonly api: Api; readonly adminKey: string; readonly stop: () => Promise<void> }> {
  const port = await freePort()
  const data = join(directory, 'parley')
  const env = {
    PORT: String(port),
    PARLEY_PROFILE: 'dev',
    PARLEY_DATA: data,
    LIMIT_REQUESTS_PER_SECOND: '1000000',
    ALLOW_PRIVATE_ENDPOINTS: '1',
  }
  const args = [join(root, 'local/serve.ts')]
  const server = processes.start({ name: 'parley', command: process.execPath, args, env, cwd: root, logs: directory })
  await server.ready(() => answers(`http://127.0.0.1:${port}/readyz`), 60_000)
  await pause(1000)
  const { adminKey } = z
    .object({ adminKey: z.string() })
    .parse(JSON.parse(readFileSync(join(data, 'secrets.json'), 'utf8')))
  return { api: new Api(port), adminKey, stop: () => server.stop() }
}

class Parley implements Side {
  readonly name = 'parley'
  readonly what =
    'HTTP API on plain workerd, QStash stand-in beside it; every job keyed: FIFO, concurrency 1 and rate on'
  readonly durability = 'SQLite in WAL mode, synchronous=FULL: an fsync before each answer'
  readonly #api: Api
  readonly #adminKey: string
  readonly #endpoint: Endpoint
  readonly #end: () => Promise<void>
  #queues = 0

  constructor(api: Api, adminKey: string, endpoint: Endpoint, end: () => Promise<void>) {
    this.#api = api
    this.#adminKey = adminKey
    this.#endpoint = endpoint
    this.#end = end
  }

  async single(jobs: number, lanes: number): Promise<number> {
    const queue = await this.#queue({ paused: true })
    const since = performance.now()
    await inLanes(jobs, lanes, (n) => this.#api.call('POST', '/v1/jobs', { queue, ...noOp(n) }))
    return perSecond(jobs, since)
  }

  async batch(jobs: number, together: number): Promise<number> {
    const queue = await this.#queue({ paused: true })
    const since = performance.now()
    await this.#fill(queue, jobs, together)
    return perSecond(jobs, since)
  }

  async drain(jobs: number): Promise<number> {
    const queue = await this.#queue({ paused: true })
    await this.#fill(queue, jobs, 500)
    const since = performance.now()
    await this.#api.call('POST', `/v1/queues/${queue}/resume`)
    while ((await this.#left(queue)) > 0) await pause(20)
    return perSecond(jobs, since)
  }

  async starts(samples: number, pauseMs: number): Promise<number[]> {
    const queue = await this.#queue({})
    const latencies: number[] = []
    for (let n = 0; n < samples; n++) {
      latencies.push(await this.#start(queue))
      await pause(pauseMs)
    }
    return latencies
  }

  async neighbours(backlog: number, samples: number, everyMs: number): Promise<Neighbours> {
    const quiet = await this.#tenant('quiet')
    const steady = async () => {
      const latencies: Promise<number>[] = []
      for (let n = 0; n < samples; n++) {
        latencies.push(this.#start('default', quiet))
        await pause(everyMs)
      }
      return Promise.all(latencies)
    }
    const alone = await steady()
    const noisy = await this.#queue({ paused: true })
    await this.#fill(noisy, backlog, 500)
    await this.#api.call('POST', `/v1/queues/${noisy}/resume`)
    const crowded = await steady()
    return { alone, crowded, left: await this.#left(noisy) }
  }

  async stop(): Promise<void> {
    await this.#endpoint.close()
    await this.#end()
  }

  async #queue({ paused = false }: { paused?: boolean }): Promise<string> {
    const name = `bench-${this.#queues++}`
    await this.#api.call('PATCH', `/v1/queues/${name}`, {
      keyConcurrency: 1,
      keyRate: { count: 1_000_000, seconds: 1 },
    })
    if (paused) await this.#api.call('POST', `/v1/queues/${name}/pause`)
    return name
  }

  async #tenant(id: string): Promise<string> {
    const wanted = { name: id, limits: { requestsPerSecondKey: 1_000_000 } }
    const answer = await this.#api.call('PUT', `/admin/v1/tenants/${id}`, wanted, this.#adminKey)
    const { apiKey } = z.object({ apiKey: z.string() }).parse(JSON.parse(answer))
    return apiKey
  }

  async #fill(queue: string, jobs: number, together: number): Promise<void> {
    await inLanes(jobs / together, 4, (n) => {
      const batch = Array.from({ length: together }, (_, index) => noOp(n * together + index))
      return this.#api.call('POST', '/v1/jobs/batch', { queue, jobs: batch })
    })
  }

  async #left(queue: string): Promise<number> {
    const { counts } = stats.parse(JSON.parse(await this.#api.call('GET', `/v1/queues/${queue}`)))
    return counts.waiting + counts.delayed + counts.active
  }

  /** A job that posts to us: its work begins when the post arrives. */
  async #start(queue: string, key?: string): Promise<number> {
    const since = performance.now()
    const { url, begun } = this.#endpoint.expect()
    await this.#api.call('POST', '/v1/jobs', { queue, url, payload: {} }, key)
    return (await begun) - since
  }
}

const stats = z.object({ counts: z.object({ waiting: z.number(), delayed: z.number(), active: z.number() }) })

const noOp = (n: number) => ({ type: 'join', key: `key-${n % keys}` })

/** The HTTP API over connections that stay open; fails on an answer that is not 2xx. */
export class Api {
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  call(method: string, path: string, body?: unknown, key = 'demo-key'): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const sent = request({ agent, host: '127.0.0.1', port: this.#port, method, path, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('end', () => {
          if ((response.statusCode ?? 0) < 300) resolve(text)
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
        })
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

/** Where `http` jobs are posted to; tells when each one came. */
class Endpoint {
  readonly #origin: string
  readonly #waiting = new Map<string, (at: number) => void>()
  readonly #close: () => Promise<void>
  #expected = 0

  static async open(): Promise<Endpoint> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    const { port } = address
    const endpoint = new Endpoint(`http://127.0.0.1:${port}`, async () => void server.close())
    server.on('request', (incoming, response) => {
      endpoint.#waiting.get(incoming.url ?? '')?.(performance.now())
      incoming.resume().on('end', () => response.end())
    })
    return endpoint
  }

  private constructor(origin: string, close: () => Promise<void>) {
    this.#origin = origin
    this.#close = close
  }

  expect(): { url: string; begun: Promise<number> } {
    const path = `/${this.#expected++}`
    const begun = new Promise<number>((resolve) => this.#waiting.set(path, resolve))
    return { url: this.#origin + path, begun }
  }

  close(): Promise<void> {
    return this.#close()
  }
}

/** `npm run bench:contexts`: what the hop to a context in a Worker of its own costs, beside the same system in one Worker. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { buildAll } from '../local/build.ts'
import { readSplit } from '../local/split.ts'
import { readWorkerConfig, type WorkerConfig } from '../local/worker-config.ts'
import { startWorkerd } from '../local/workerd.ts'
import { commandLine, count, flagsOf, rounds } from './command-line.ts'
import { answers, freePort } from './ports.ts'
import { pause } from './processes.ts'
import { median, percentile, spread } from './statistics.ts'

const adminKey = 'operator-of-the-bench'
const apiKey = 'demo-key'
/** Clock ticks of /proc are hundredths of a second. */
const tickMs = 10

const options = commandLine(flagsOf(z.object({ rounds: rounds.default(5), requests: count(400) })))

const calls: Readonly<Record<string, { readonly line: string; readonly body?: (place: number) => object }>> = {
  'POST /v1/limits/check, leased': {
    line: 'POST /v1/limits/check',
    body: () => ({ policy: 'bench', key: 'alice' }),
  },
  'GET /v1/jobs/{id}, one call of an actor': { line: 'GET /v1/jobs/waits' },
  'POST /v1/events, one commit': {
    line: 'POST /v1/events',
    body: (place) => ({ type: 'order.placed', key: `k${place % 16}`, data: { place } }),
  },
}

/** A system on a workerd of its own. */
class Side {
  readonly name: string
  readonly stop: () => Promise<void>
  readonly #origin: string
  readonly #pid: number

  private constructor(name: string, origin: string, pid: number, stop: () => Promise<void>) {
    this.name = name
    this.#origin = origin
    this.#pid = pid
    this.stop = stop
  }

  static async start(name: string, apart: string | undefined, worker: string, config: WorkerConfig): Promise<Side> {
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-contexts-'))
    const port = await freePort()
    const vars = { ENVIRONMENT: 'local', LOCAL_TENANT: 'demo', LOCAL_API_KEY: apiKey, ADMIN_KEY: adminKey }
    const split = readSplit(apart, undefined)
    const running = await startWorkerd({ worker, config, vars, split, dataDir, host: '127.0.0.1', port })
    const origin = `http://127.0.0.1:${port}`
    while (!(await answers(`${origin}/healthz`).catch(() => false))) await pause(50)
    const side = new Side(name, origin, await workerdOf(dataDir), async () => {
      await running.stop()
      await rm(dataDir, { recursive: true, force: true, maxRetries: 20 })
    })
    await side.#prepare()
    return side
  }

  async #prepare(): Promise<void> {
    const limits = { checksPerSecond: 1_000_000, requestsPerSecondKey: 1_000_000 }
    await this.send('PUT /admin/v1/tenants/demo', { name: 'Bench', limits }, adminKey)
    const policy = { algorithm: 'token-bucket', limit: 1_000_000, windowSeconds: 1 }
    await this.send('PUT /v1/limits/policies/bench', policy)
    await this.send('POST /v1/jobs', { id: 'waits', url: 'https://example.com/', delaySeconds: 80_000 })
    // Nothing runs it here, and no attempt to arrange for that is measured.
    await this.send('DELETE /v1/jobs/waits')
  }

  async send(line: string, body?: object, key = apiKey): Promise<void> {
    const [method = 'GET', path = '/'] = line.split(' ')
    const response = await fetch(this.#origin + path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${this.name}: ${line} answers ${response.status}: ${text}`)
  }

  /** Processor time of the whole system so far, in milliseconds. */
  async processorMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.#pid}/stat`, 'utf8')
    const [, , , , , , , , , , , user = '0', system = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(user) + Number(system)) * tickMs
  }

  /** Sends the requests one after the other: milliseconds of each, and of processor time for each. */
  async run(line: string, body: ((place: number) => object) | undefined, requests: number) {
    const before = await this.processorMs()
    const waits: number[] = []
    for (let place = 0; place < requests; place++) {
      const begun = performance.now()
      await this.send(line, body?.(place))
      waits.push(performance.now() - begun)
    }
    return { waits, processorMs: ((await this.processorMs()) - before) / requests }
  }
}

/** The workerd whose command names a folder. */
async function workerdOf(folder: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    const command = /^\d+$/.test(name) ? await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '') : ''
    if (command.includes(folder) && /workerd\S*\0serve/.test(command)) return Number(name)
  }
  throw new Error('workerd does not run')
}

const folder = await mkdtemp(join(tmpdir(), 'parley-contexts-worker-'))
const worker = join(folder, 'worker.js')
const [config] = await Promise.all([readWorkerConfig(), buildAll(worker)])
const sides = [
  await Side.start('one Worker', undefined, worker, config),
  await Side.start('apart', 'jobs,limits,events', worker, config),
]
try {
  for (const [what, { line, body }] of Object.entries(calls)) {
    for (const side of sides) await side.run(line, body, Math.ceil(options.requests / 4))
    const found = new Map(sides.map((side) => [side, { p50: [] as number[], processor: [] as number[] }]))
    // Sides take turns, so that what else the machine does falls on both.
    for (let round = 0; round < options.rounds; round++)
      for (const [side, { p50, processor }] of found) {
        const { waits, processorMs } = await side.run(line, body, options.requests)
        p50.push(percentile(waits, 0.5))
        processor.push(processorMs)
      }
    console.log(`\n${what}`)
    for (const [side, { p50, processor }] of found) {
      const [wait, work] = [spread(p50), spread(processor)]
      console.log(
        `  ${side.name.padEnd(10)} p50 ${wait.median.toFixed(2)} ms (${wait.min.toFixed(2)}–${wait.max.toFixed(2)}), ` +
          `processor time ${work.median.toFixed(3)} ms (${work.min.toFixed(3)}–${work.max.toFixed(3)})`,
      )
    }
    const [one, apart] = [...found.values()]
    const ratios = (of: 'p50' | 'processor') =>
      (apart?.[of] ?? []).map((value, round) => value / (one?.[of][round] ?? Number.NaN))
    console.log(
      `  apart / one Worker, median of pairs: p50 ×${median(ratios('p50')).toFixed(2)}, processor time ×${median(ratios('processor')).toFixed(2)}`,
    )
  }
} finally {
  for (const side of sides) await side.stop()
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)

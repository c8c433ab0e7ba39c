import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { buildAll } from '../../local/build.ts'
import { readWorkerConfig } from '../../local/worker-config.ts'
import { startWorkerd } from '../../local/workerd.ts'
import { answers, freePort } from '../ports.ts'
import { pause, type Processes } from '../processes.ts'

const adminKey = 'operator-of-the-bench'

/** A way to the upstream: requests over one connection, and the processor time of its workerd. */
export interface Side {
  /** Milliseconds until the whole answer is there. */
  get(): Promise<number>
  /** Of the process so far, in microseconds. */
  processorUs(): Promise<number>
  stop(): Promise<void>
}

/** A server that answers both sides. */
export async function startUpstream(processes: Processes, folder: string): Promise<number> {
  const port = await freePort()
  const args = [join(import.meta.dirname, 'upstream.js'), String(port)]
  const upstream = processes.start({ name: 'upstream', command: process.execPath, args, logs: folder })
  await upstream.ready(() => answers(`http://127.0.0.1:${port}/`), 30_000)
  return port
}

/** The whole Worker with a route on which half of the users have moved, judged by its rollback. */
export async function startFacade(folder: string, upstream: number): Promise<Side> {
  const dataDir = join(folder, 'facade')
  await mkdir(dataDir)
  const worker = join(dataDir, 'worker.js')
  await buildAll(worker)
  const port = await freePort()
  const nowhere = 'postgresql://app:secret@127.0.0.1:9/none'
  const vars = {
    ENVIRONMENT: 'local',
    CLIENTS: 'direct',
    ADMIN_KEY: adminKey,
    SHARDS: 'shard0',
    NEON_PROXY: '127.0.0.1:9',
    DATABASE_URL_DIRECTORY: nowhere,
    DATABASE_URL_SHARD0: nowhere,
    FACADE_PRIVATE_HOSTS: `*=127.0.0.1:${upstream}`,
  }
  const running = await startWorkerd({
    worker,
    config: await readWorkerConfig(),
    vars,
    dataDir,
    host: '127.0.0.1',
    port,
  })
  const origin = `http://127.0.0.1:${port}`
  while (!(await answers(`${origin}/healthz`).catch(() => false))) await pause(50)
  const put = async (path: string, key: string, body: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${origin}${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`PUT ${path} was answered ${response.status}: ${await response.text()}`)
    return await response.json()
  }
  const made = await put('/admin/v1/tenants/acme', adminKey, {
    name: 'Acme',
    limits: { requestsPerSecondTenant: 1_000_000 },
  })
  const { apiKey } = z.object({ apiKey: z.string() }).parse(made)
  await put('/v1/facade-routes/shop', apiKey, {
    legacy: { url: `http://127.0.0.1:${upstream}/legacy` },
    new: { url: `http://127.0.0.1:${upstream}/new` },
    key: { from: 'cookie', name: 'session' },
    percent: 50,
  })
  const side = over(port, '/facade/acme/shop/items?page=1', join(dataDir, 'workerd.capnp'))
  return { ...side, stop: () => running.stop() }
}

/** The same workerd with a Worker of five lines. */
export async function startBare(processes: Processes, folder: string, upstream: number): Promise<Side> {
  const port = await freePort()
  const { compatibilityDate } = await readWorkerConfig()
  await copyFile(join(import.meta.dirname, 'bare-worker.js'), join(folder, 'bare-worker.js'))
  const file = join(folder, 'bare.capnp')
  await writeFile(
    file,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "bare-worker.js", esModule = embed "bare-worker.js")],
  compatibilityDate = "${compatibilityDate}",
  bindings = [(name = "UPSTREAM", text = "http://127.0.0.1:${upstream}/legacy")],
);
`,
  )
  const workerd = join(import.meta.dirname, '../../node_modules/.bin/workerd')
  const started = processes.start({ name: 'bare', command: workerd, args: ['serve', file], logs: folder })
  await started.ready(() => answers(`http://127.0.0.1:${port}/`), 30_000)
  return { ...over(port, '/items?page=1', file), stop: () => started.stop() }
}

function over(port: number, path: string, configFile: string): Omit<Side, 'stop'> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const headers = { cookie: 'session=alice' }
  return {
    get: async () => {
      const begun = performance.now()
      await new Promise<void>((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode ?? 0}`))
          response.resume()
          response.on('end', resolve)
        })
        asked.on('error', reject)
        asked.end()
      })
      return performance.now() - begun
    },
    processorUs: async () => {
      let ticks = 0
      for (const pid of await readdir('/proc')) {
        if (!/^\d+$/.test(pid)) continue
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
        if (command.includes(configFile)) ticks += await ticksOf(pid)
      }
      return ticks * 10_000
    },
  }
}

/** Hundredths of a second in user and system mode. */
async function ticksOf(pid: string): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Running } from '../../local/workerd.ts'
import { answers, freePort } from '../ports.ts'
import { pause } from '../processes.ts'

const apiKey = 'demo-key'
const adminKey = 'operator-of-the-bench'

/** One checkout, served by plain workerd without a data plane behind it. */
export interface Side {
  readonly origin: string
  /** CPU time that its workerd has used until now, in milliseconds. */
  cpuMs(): Promise<number>
  stop(): Promise<void>
}

/** What a checkout brings to build and serve itself. */
interface Local {
  readonly build: { buildAll(outfile: string): Promise<void> }
  readonly config: { readWorkerConfig(): Promise<unknown> }
  readonly workerd: { startWorkerd(run: object): Promise<Running> }
}

async function localOf(checkout: string): Promise<Local> {
  const [build, config, workerd] = await Promise.all(
    ['build', 'worker-config', 'workerd'].map((name) => import(join(checkout, 'local', `${name}.ts`))),
  )
  return { build, config, workerd }
}

/** Builds the Worker of a checkout and serves it, with its actors under `dataDir`. */
export async function startSide(checkout: string, dataDir: string): Promise<Side> {
  const local = await localOf(checkout)
  const worker = join(dataDir, 'worker.js')
  await local.build.buildAll(worker)
  const port = await freePort()
  const vars = { ENVIRONMENT: 'local', LOCAL_TENANT: 'demo', LOCAL_API_KEY: apiKey, ADMIN_KEY: adminKey }
  const config = await local.config.readWorkerConfig()
  const running = await local.workerd.startWorkerd({ worker, config, vars, dataDir, host: '127.0.0.1', port })
  const origin = `http://127.0.0.1:${port}`
  while (!(await answers(`${origin}/healthz`).catch(() => false))) await pause(50)
  const pid = await listenerOf(port)
  return { origin, cpuMs: () => cpuMs(pid), stop: () => running.stop() }
}

/** The process that listens on a port, by the sockets of all processes started from here. */
async function listenerOf(port: number): Promise<number> {
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const { stdout } = await promisify(execFile)('pgrep', ['-P', String(process.pid), '-x', 'workerd'])
  for (const pid of stdout.trim().split('\n').map(Number)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    const file = command.split('\0').find((part) => part.endsWith('.capnp'))
    if (file !== undefined && (await readFile(file, 'utf8')).includes(`:${port}"`)) return pid
  }
  throw new Error(`no workerd listens on ${port}`)
}

const ticksPerSecond = 100

async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}

/** A request that is sent again and again; `body` is asked for each time. */
export interface Load {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly body?: (n: number) => string
}

/** Makes the tenant, a policy and a conversation of sixty messages; the loads to put on them. */
export async function prepare({ origin }: Side): Promise<Load[]> {
  const limits = { checksPerSecond: 1e6, requestsPerSecondKey: 1e6, requestsPerSecondTenant: 1e6 }
  await send(origin, 'PUT', '/admin/v1/tenants/demo', { name: 'Bench', limits }, adminKey)
  await send(origin, 'PUT', '/v1/limits/policies/bench', { algorithm: 'token-bucket', limit: 1e6, windowSeconds: 1 })
  const group = { type: 'group', members: ['alice', 'bob'] }
  const { id } = z.object({ id: z.string() }).parse(await send(origin, 'POST', '/v1/conversations', group))
  for (let n = 0; n < 60; n++)
    await send(origin, 'POST', `/v1/conversations/${id}/messages`, {
      clientId: `c${n}`,
      text: 'Hello there',
      user: 'alice',
    })
  return [
    {
      name: 'POST /v1/limits/check',
      method: 'POST',
      path: '/v1/limits/check',
      body: (n) => `{"policy":"bench","key":"user${n % 100}"}`,
    },
    {
      name: 'POST /v1/jobs',
      method: 'POST',
      path: '/v1/jobs',
      body: () => '{"url":"https://example.com/hook","delaySeconds":86400,"payload":{"a":1}}',
    },
    { name: 'GET …/messages?limit=50', method: 'GET', path: `/v1/conversations/${id}/messages?limit=50` },
  ]
}

/** Authorization of the loads. */
export const bearer = `Bearer ${apiKey}`

async function send(origin: string, method: string, path: string, body: unknown, key = apiKey): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}` }
  const response = await fetch(`${origin}${path}`, { method, headers, body: JSON.stringify(body) })
  const answer: unknown = await response.json()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}

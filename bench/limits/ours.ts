import { join } from 'node:path'
import { build } from 'esbuild'
import { z } from 'zod'
import { buildPageModule } from '../../local/build.ts'
import { readWorkerConfig } from '../../local/worker-config.ts'
import { startWorkerd } from '../../local/workerd.ts'
import { answers, freePort } from '../ports.ts'
import { pause } from '../processes.ts'
import { loadLanes, type Result } from './result.ts'

const adminKey = 'operator-of-the-bench'

/** The real Worker with the bench's holders beside it, on plain workerd. */
export interface Ours {
  /** Decisions of `holders` actors, each as a gateway decides; with `shared` all about the same users. */
  hold(order: Order): Promise<Result>
  /** Decisions over HTTP, `POST /v1/limits/check`, as a tenant's server asks for them. */
  serve(load: {
    readonly lanes: number
    readonly ms: number
    readonly keys: number
    readonly perSecond: number
  }): Promise<Result>
  stop(): Promise<void>
}

export interface Order {
  readonly holders: number
  readonly ms: number
  readonly perTurn: number
  readonly keys: number
  readonly shared: boolean
  readonly perSecond: number
  readonly burst: number
}

const runs = z.array(
  z.object({
    decisions: z.number(),
    moments: z.record(z.string(), z.number()),
    waits: z.array(z.number()),
    elapsedMs: z.number(),
    asks: z.number(),
  }),
)

/** Builds and starts it; its actors keep their storage under `dataDir`. */
export async function startOurs(dataDir: string): Promise<Ours> {
  const worker = join(dataDir, 'holder.js')
  await buildHolder(worker)
  const config = await readWorkerConfig()
  const port = await freePort()
  const running = await startWorkerd({
    worker,
    config: { ...config, actors: [...config.actors, { binding: 'HOLDER', className: 'Holder' }] },
    vars: { ENVIRONMENT: 'local', LOCAL_TENANT: 'demo', LOCAL_API_KEY: 'demo-key', ADMIN_KEY: adminKey },
    dataDir,
    host: '127.0.0.1',
    port,
  })
  const origin = `http://127.0.0.1:${port}`
  while (!(await answers(`${origin}/healthz`).catch(() => false))) await pause(50)
  return {
    hold: async (order) => merge(runs.parse(await send(origin, 'POST', '/bench/run', order, ''))),
    serve: async ({ perSecond, ...load }) => serveChecks(origin, perSecond, load),
    stop: () => running.stop(),
  }
}

async function buildHolder(outfile: string): Promise<void> {
  await buildPageModule()
  await build({
    entryPoints: [join(import.meta.dirname, 'holder.js')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
}

function merge(all: z.output<typeof runs>): Result {
  const moments = new Map<number, number>()
  for (const run of all)
    for (const [at, units] of Object.entries(run.moments))
      moments.set(Number(at), (moments.get(Number(at)) ?? 0) + units)
  const sum = (of: (run: (typeof all)[number]) => number) => all.reduce((total, run) => total + of(run), 0)
  const latencies = all.flatMap(({ waits }) => waits)
  const decisions = sum((run) => run.decisions)
  return {
    decisions,
    elapsedMs: Math.max(...all.map(({ elapsedMs }) => elapsedMs)),
    moments,
    calls: sum(({ asks }) => asks),
    latencies,
    local: decisions - latencies.length,
  }
}

async function serveChecks(
  origin: string,
  perSecond: number,
  { lanes, ms, keys }: { readonly lanes: number; readonly ms: number; readonly keys: number },
): Promise<Result> {
  const limits = { checksPerSecond: 1_000_000 }
  await send(origin, 'PUT', '/admin/v1/tenants/demo', { name: 'Bench', limits }, adminKey)
  const policy = { algorithm: 'token-bucket', limit: perSecond, windowSeconds: 1 }
  await send(origin, 'PUT', `/v1/limits/policies/bench${perSecond}`, policy, 'demo-key')
  const before = await leaseCalls(origin)
  const answered = z.object({ allowed: z.boolean() })
  const result = await loadLanes(lanes, ms, async (lane, round) => {
    const check = { policy: `bench${perSecond}`, key: `user${(lane + round * lanes) % keys}` }
    return answered.parse(await send(origin, 'POST', '/v1/limits/check', check, 'demo-key')).allowed
  })
  return { ...result, calls: (await leaseCalls(origin)) - before }
}

/** Calls to limiters that the edge made, as /metrics tells. */
async function leaseCalls(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const lines = [...text.matchAll(/parley_limit_lease_calls_total\{holder="edge",policy="[^"]+"\} (\d+)/g)]
  return lines.reduce((total, [, calls]) => total + Number(calls), 0)
}

async function send(origin: string, method: string, path: string, body: unknown, key: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}` }
  const response = await fetch(`${origin}${path}`, { method, headers, body: JSON.stringify(body) })
  const answer: unknown = await response.json()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}

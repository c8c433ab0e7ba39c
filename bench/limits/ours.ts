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
    /** Checks in one request. */
    readonly batch?: number
  }): Promise<Result>
  stop(): Promise<void>
}

export interface Order {
  readonly holders: number
  readonly ms: number
  readonly perBatch: number
  readonly keys: number
  readonly shared: boolean
  readonly perSecond: number
  readonly burst: number
}

const runs = z.array(
  z.object({
    decisions: z.number(),
    allowed: z.array(z.object({ from: z.number(), until: z.number(), units: z.number() })),
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
    config: {
      ...config,
      actors: [...config.actors, { binding: 'HOLDER', className: 'Holder', storageKey: 'parley-Holder' }],
    },
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
  const sum = (of: (run: (typeof all)[number]) => number) => all.reduce((total, run) => total + of(run), 0)
  const latencies = all.flatMap(({ waits }) => waits)
  const decisions = sum((run) => run.decisions)
  return {
    decisions,
    elapsedMs: Math.max(...all.map(({ elapsedMs }) => elapsedMs)),
    allowed: all.flatMap((run) => run.allowed),
    calls: sum(({ asks }) => asks),
    latencies,
    local: decisions - latencies.length,
  }
}

async function serveChecks(
  origin: string,
  perSecond: number,
  {
    lanes,
    ms,
    keys,
    batch = 1,
  }: { readonly lanes: number; readonly ms: number; readonly keys: number; readonly batch?: number },
): Promise<Result> {
  const limits = { checksPerSecond: 1_000_000 }
  await send(origin, 'PUT', '/admin/v1/tenants/demo', { name: 'Bench', limits }, adminKey)
  const policy = { algorithm: 'token-bucket', limit: perSecond, windowSeconds: 1 }
  await send(origin, 'PUT', `/v1/limits/policies/bench${perSecond}`, policy, 'demo-key')
  const before = await leaseCalls(origin)
  const answered = z.object({ allowed: z.boolean() })
  const answeredAll = z.object({ results: z.array(answered) })
  const checkOf = (place: number) => ({ policy: `bench${perSecond}`, key: `user${place % keys}` })
  const result = await loadLanes(lanes, ms, async (lane, round) => {
    const place = lane + round * lanes
    if (batch === 1)
      return answered.parse(await send(origin, 'POST', '/v1/limits/check', checkOf(place), 'demo-key')).allowed
    const checks = Array.from({ length: batch }, (_, each) => checkOf(place * batch + each))
    const answer = await send(origin, 'POST', '/v1/limits/check-batch', { checks }, 'demo-key')
    return answeredAll.parse(answer).results.every(({ allowed }) => allowed)
  })
  return { ...result, decisions: result.decisions * batch, calls: (await leaseCalls(origin)) - before }
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

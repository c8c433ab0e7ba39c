import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { readWorkerConfig } from '../../local/worker-config.ts'
import { answers, freePort } from '../ports.ts'
import type { Processes } from '../processes.ts'

/** What a bare Worker before a Postgres needs. */
export interface NeonOptions {
  /** The database, over TCP. */
  readonly upstream: string
  readonly secret: string
  readonly pool: number
}

const password = 'secret'

/** Starts a bare Worker on plain workerd that reads the database through Neon's driver and the stand-in; returns its address. */
export async function startNeonWorker(
  folder: string,
  processes: Processes,
  { upstream, secret, pool }: NeonOptions,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const [port, proxyPort] = [await freePort(), await freePort()]
  const env = {
    NODE_ENV: 'production',
    PORT: String(proxyPort),
    UPSTREAM: upstream,
    PASSWORD: password,
    POOL: String(pool),
  }
  const args = [join(import.meta.dirname, 'neon-proxy.ts')]
  const proxy = processes.start({ name: 'reads-proxy', command: process.execPath, args, env, logs: folder })
  await proxy.ready(async () => (await fetch(`http://127.0.0.1:${proxyPort}/`)).status === 404, 15_000)
  await build({
    entryPoints: [join(import.meta.dirname, 'neon-worker.js')],
    outfile: join(folder, 'neon-worker.mjs'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
  const { compatibilityDate, compatibilityFlags } = await readWorkerConfig()
  const file = join(folder, 'neon-worker.capnp')
  const flags = compatibilityFlags.map((flag) => JSON.stringify(flag)).join(', ')
  await writeFile(
    file,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "reads", worker = .reads), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "reads")],
);
const reads :Workerd.Worker = (
  modules = [(name = "neon-worker.mjs", esModule = embed "neon-worker.mjs")],
  compatibilityDate = "${compatibilityDate}",
  compatibilityFlags = [${flags}],
  bindings = [
    (name = "NEON_PROXY", text = "127.0.0.1:${proxyPort}"),
    (name = "DATABASE_URL", text = "postgresql://reads:${password}@reads.local/reads"),
    (name = "TOKEN_SECRET", text = ${JSON.stringify(secret)}),
  ],
);
`,
  )
  const workerd = join(import.meta.dirname, '../../node_modules/.bin/workerd')
  const server = processes.start({ name: 'reads-worker', command: workerd, args: ['serve', file], logs: folder })
  const url = `http://127.0.0.1:${port}`
  await server.ready(() => answers(`${url}/healthz`), 15_000)
  return {
    url,
    stop: async () => {
      await server.stop()
      await proxy.stop()
    },
  }
}

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { z } from 'zod'
import { freePort } from '../ports.ts'
import { pause, type Processes } from '../processes.ts'
import { readWorkerConfig } from '../../local/worker-config.ts'

const ends = z.array(z.tuple([z.number(), z.enum(['ok', 'failed', 'refused'])]))
export type Ends = z.output<typeof ends>

/** What each isolate has to do. */
export interface Calls {
  readonly side: 'parley' | 'cockatiel'
  /** The service, and with it the breaker. */
  readonly name: string
  readonly url: string
  readonly ms: number
  readonly everyMs: number
}

/** Workers in isolates of their own, which share one Breaker actor. */
export interface Isolates {
  run(calls: Calls): Promise<Ends[]>
}

/** Starts so many services of one workerd process, each an isolate with state of its own. */
export async function startIsolates(processes: Processes, folder: string, count: number): Promise<Isolates> {
  await build({
    entryPoints: [join(import.meta.dirname, 'isolate.js')],
    outfile: join(folder, 'isolate.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const { compatibilityDate } = await readWorkerConfig()
  const file = join(folder, 'isolates.capnp')
  const actors = join(folder, 'actors')
  await mkdir(actors)
  await writeFile(file, capnp(ports, actors, compatibilityDate))
  const workerd = join(import.meta.dirname, '../../node_modules/.bin/workerd')
  processes.start({ name: 'isolates', command: workerd, args: ['serve', file], logs: folder })
  const ask = async (port: number, calls: Calls): Promise<Ends> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(calls) })
    return ends.parse(await response.json())
  }
  const nothing: Calls = { side: 'parley', name: 'none', url: 'http://127.0.0.1:9/', ms: 0, everyMs: 1 }
  for (const port of ports) while ((await ask(port, nothing).catch(() => undefined)) === undefined) await pause(50)
  return { run: (calls) => Promise.all(ports.map((port) => ask(port, calls))) }
}

const capnp = (
  ports: readonly number[],
  actors: string,
  date: string,
): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "breakers", worker = .breakers),
    (name = "actors", disk = (path = ${JSON.stringify(actors)}, writable = true)),
    (name = "internet", network = (allow = ["private"])),
    ${ports.map((_, n) => `(name = "isolate${n}", worker = .isolate)`).join(',\n    ')}
  ],
  sockets = [
    ${ports.map((port, n) => `(name = "http${n}", address = "127.0.0.1:${port}", http = (), service = "isolate${n}")`).join(',\n    ')}
  ],
);
const breakers :Workerd.Worker = (
  modules = [(name = "isolate.mjs", esModule = embed "isolate.mjs")],
  compatibilityDate = "${date}",
  durableObjectNamespaces = [(className = "Breaker", uniqueKey = "Breaker", enableSql = true)],
  durableObjectStorage = (localDisk = "actors"),
);
const isolate :Workerd.Worker = (
  modules = [(name = "isolate.mjs", esModule = embed "isolate.mjs")],
  compatibilityDate = "${date}",
  bindings = [(name = "BREAKER", durableObjectNamespace = (className = "Breaker", serviceName = "breakers"))],
);
`

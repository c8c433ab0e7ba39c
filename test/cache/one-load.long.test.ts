import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { freePort } from '../../bench/ports.ts'
import { pause, Processes } from '../../bench/processes.ts'
import { readWorkerConfig } from '../../local/worker-config.ts'
import { newestMigration } from '../../src/adapters/neon/newest-migration.ts'

// 64 services of one workerd process, each an isolate with a memory of its own, that share the actors of another service.
const holders = 64
const readers = 20
/** How long the reader of a shard keeps a page. */
const readerKeepsMs = 5000

const processes = new Processes()
let folder: string
let ports: number[]
/** Statements that read a page, by conversation. */
const loads = new Map<string, number>()

const postgres = createServer((request, response) => {
  let text = ''
  request.on('data', (part) => (text += String(part)))
  request.on('end', () => {
    const { query, params }: { query: string; params: string[] } = JSON.parse(text)
    const isPage = query.includes('string_agg')
    if (isPage) loads.set(params[1] ?? '', (loads.get(params[1] ?? '') ?? 0) + 1)
    const row = isPage ? { page } : { number: String(newestMigration.shard) }
    const fields = Object.keys(row).map((name) => ({ name, dataTypeID: 25 }))
    const answer = { command: 'SELECT', rowCount: 1, rowAsArray: true, fields, rows: [Object.values(row)] }
    setTimeout(() => response.end(JSON.stringify(answer)), 50)
  })
})
const page = Array.from({ length: 100 }, (_, n) => `${n + 1}\t"alice"\t""\t{"type":"message","text":"t"}`).join('\n')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-holders-'))
  await build({
    entryPoints: [join(import.meta.dirname, '../support/worker/holder.ts')],
    outfile: join(folder, 'holder.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
  })
  await mkdir(join(folder, 'actors'))
  const postgresPort = await freePort()
  await new Promise<void>((listening) => postgres.listen(postgresPort, '127.0.0.1', listening))
  ports = await Promise.all(Array.from({ length: holders }, () => freePort()))
  const { compatibilityDate, compatibilityFlags } = await readWorkerConfig()
  await writeFile(join(folder, 'holders.capnp'), capnp(postgresPort, compatibilityDate, compatibilityFlags))
  const workerd = join(import.meta.dirname, '../../node_modules/.bin/workerd')
  const args = ['serve', join(folder, 'holders.capnp')]
  processes.start({ name: 'holders', command: workerd, args, logs: folder })
  for (const port of ports) while ((await read(port, 'warm-up').catch(() => undefined)) === undefined) await pause(100)
})
afterAll(async () => {
  await processes.stopAll()
  postgres.close()
  await rm(folder, { recursive: true, force: true })
})

/** What a holder's readers found, all at the same time. */
async function read(port: number, conversation: string): Promise<number[]> {
  const body = JSON.stringify({ conversation, readers })
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })
  return z.array(z.number()).parse(await response.json())
}

test.each(['lunch', 'dinner', 'breakfast'])(
  'readers in 64 isolates of one key that has expired cause exactly one load, again after each expiry: %s',
  async (conversation) => {
    for (const expiries of [1, 2, 3]) {
      const found = await Promise.all(ports.map((port) => read(port, conversation)))
      expect(found).toEqual(ports.map(() => Array.from({ length: readers }, () => 50)))
      expect(loads.get(conversation)).toBe(expiries)
      await pause(readerKeepsMs + 500)
    }
  },
)

/** Holders keep no page themselves, so that each asks; the reader of the shard does. */
const capnp = (postgresPort: number, date: string, flags: readonly string[]): string => {
  const vars = {
    ENVIRONMENT: 'local',
    SHARDS: 'shard0',
    NEON_PROXY: `127.0.0.1:${postgresPort}`,
    DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
    DATABASE_URL_SHARD0: 'postgresql://app:secret@shards.test/shard0',
  }
  const texts = (all: Readonly<Record<string, string>>) =>
    Object.entries(all).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)})`)
  const actors = [
    ['SHARD_READER', 'ShardReader'],
    ['PLATFORM', 'Platform'],
    ['CACHE_EPOCHS', 'CacheEpochs'],
  ]
  const namespaces = (service: string) =>
    actors.map(
      ([name, className]) => `(name = "${name}", durableObjectNamespace = (className = "${className}"${service}))`,
    )
  const worker = (bindings: readonly string[], more: string) => `(
  modules = [(name = "holder.mjs", esModule = embed "holder.mjs")],
  compatibilityDate = "${date}",
  compatibilityFlags = [${flags.map((flag) => JSON.stringify(flag)).join(', ')}],
  bindings = [${bindings.join(', ')}],
  ${more}
)`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "actors", worker = .actors),
    (name = "storage", disk = (path = ${JSON.stringify(join(folder, 'actors'))}, writable = true)),
    (name = "internet", network = (allow = ["private", "public"])),
    ${ports.map((_, n) => `(name = "holder${n}", worker = .holder)`).join(',\n    ')}
  ],
  sockets = [
    ${ports.map((port, n) => `(name = "http${n}", address = "127.0.0.1:${port}", http = (), service = "holder${n}")`).join(',\n    ')}
  ],
);
const actors :Workerd.Worker = ${worker(
    [...texts(vars), ...namespaces('')],
    `durableObjectNamespaces = [${actors.map(([, className]) => `(className = "${className}", uniqueKey = "${className}", enableSql = true)`).join(', ')}],
  durableObjectStorage = (localDisk = "storage"),`,
  )};
const holder :Workerd.Worker = ${worker([...texts({ ...vars, PAGE_MEMORY: 'off' }), ...namespaces(', serviceName = "actors"')], '')};
`
}

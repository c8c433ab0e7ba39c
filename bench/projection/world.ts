import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { Client } from 'pg'
import { z } from 'zod'
import { ensureAppRole, migrate } from '../../local/migrate.ts'
import { startNeonProxy } from '../../local/neon/start.ts'
import { startPostgres } from '../../local/postgres/start.ts'
import { readWorkerConfig } from '../../local/worker-config.ts'
import { insertStatement, insertValues } from '../../src/adapters/neon/insert-messages.ts'
import { freePort } from '../ports.ts'
import { pause, type Processes } from '../processes.ts'
import { groupsOf, tenant, type Work } from './messages.ts'

const password = 'secret'
const done = z.object({ transactions: z.number(), ms: z.number() })
export type Done = z.output<typeof done>

/** How the bare loops work: rows in one transaction, and transactions at one time. */
export interface Loop {
  readonly rows: number
  readonly lanes: number
}

/** A Postgres, the Neon stand-in before it, and a workerd with the writers of its one shard. */
export interface World {
  /** By the shard's writers, or by a loop in the same workerd through the same stand-in. */
  write(side: 'parley' | 'proxy', work: Work, loop: Loop): Promise<Done>
  /** By a loop over connections of this process, without the stand-in. */
  writeDirectly(work: Work, loop: Loop): Promise<Done>
  /** Messages in Postgres. */
  count(): Promise<number>
  empty(): Promise<void>
  stop(): Promise<void>
}

export async function startWorld(processes: Processes, folder: string): Promise<World> {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), databases: ['shard0'], replica: false })
  const owner = new Client(postgres.url('shard0'))
  await owner.connect()
  await ensureAppRole(postgres.url('shard0'), password)
  await migrate(postgres.url('shard0'), 'shard')
  await owner.query(`SELECT create_message_partition('2026-11-01'), create_message_partition('2026-12-01')`)
  await owner.query(`INSERT INTO placements (tenant_id, epoch, state) VALUES ($1, 1, 'active')`, [tenant])
  const asApp = Object.assign(new URL(postgres.url('shard0')), { username: 'parley_app', password }).href
  const proxy = await startNeonProxy({ resolve: () => ({ password, upstream: asApp }) })
  const port = await startWriters(processes, folder, proxy.port)
  return {
    async write(side, work, loop) {
      const body = JSON.stringify({ side, work, loop })
      return done.parse(await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })).json())
    },
    writeDirectly: (work, loop) => loopDirectly(asApp, work, loop),
    async count() {
      const { rows } = await owner.query<{ count: string }>('SELECT count(*) FROM messages')
      return Number(rows[0]?.count)
    },
    empty: async () => void (await owner.query('TRUNCATE messages')),
    async stop() {
      await proxy.stop()
      await owner.end()
      await postgres.stop()
    },
  }
}

async function loopDirectly(url: string, work: Work, { rows, lanes }: Loop): Promise<Done> {
  const groups = groupsOf(work, rows)
  const started = Date.now()
  let transactions = 0
  const lane = async () => {
    const client = new Client(url)
    await client.connect()
    for (const group of groups) {
      transactions++
      await client.query('BEGIN')
      await client.query(`SELECT set_config('app.tenants', $1, true)`, [tenant])
      await client.query(insertStatement, [...insertValues(group)])
      await client.query('COMMIT')
    }
    await client.end()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { transactions, ms: Date.now() - started }
}

/** Starts workerd with the writers and what drives them; returns the port of the latter. */
async function startWriters(processes: Processes, folder: string, proxyPort: number): Promise<number> {
  await build({
    entryPoints: [join(import.meta.dirname, 'writer.js')],
    outfile: join(folder, 'writer.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
  const port = await freePort()
  const { compatibilityDate, compatibilityFlags } = await readWorkerConfig()
  await mkdir(join(folder, 'actors'))
  const file = join(folder, 'writers.capnp')
  await writeFile(file, capnp({ port, proxyPort, folder, date: compatibilityDate, flags: compatibilityFlags }))
  const workerd = join(import.meta.dirname, '../../node_modules/.bin/workerd')
  processes.start({ name: 'writers', command: workerd, args: ['serve', file], logs: folder })
  const nothing = {
    side: 'proxy',
    work: { run: 'none', conversations: 0, batches: 0, batch: 1 },
    loop: { rows: 1, lanes: 0 },
  }
  const isUp = () =>
    fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(nothing) }).then(
      ({ ok }) => ok,
      () => false,
    )
  for (let tries = 0; !(await isUp()); tries++) {
    if (tries > 600) throw new Error(`workerd does not answer; see ${join(folder, 'writers.log')}`)
    await pause(50)
  }
  return port
}

interface Served {
  readonly port: number
  readonly proxyPort: number
  readonly folder: string
  readonly date: string
  readonly flags: readonly string[]
}

const actors = [
  ['SHARD_WRITER', 'ShardWriter'],
  ['PLATFORM', 'Platform'],
  ['CACHE_EPOCHS', 'CacheEpochs'],
  ['BREAKER', 'Breaker'],
] as const

const capnp = ({
  port,
  proxyPort,
  folder,
  date,
  flags,
}: Served): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "writers", worker = .writers),
    (name = "storage", disk = (path = ${JSON.stringify(join(folder, 'actors'))}, writable = true)),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "writers")],
);
const writers :Workerd.Worker = (
  modules = [(name = "writer.mjs", esModule = embed "writer.mjs")],
  compatibilityDate = "${date}",
  compatibilityFlags = [${flags.map((flag) => JSON.stringify(flag)).join(', ')}],
  bindings = [
    (name = "ENVIRONMENT", text = "local"),
    (name = "SHARDS", text = "shard0"),
    (name = "NEON_PROXY", text = "127.0.0.1:${proxyPort}"),
    (name = "DATABASE_URL_DIRECTORY", text = "postgresql://parley_app:${password}@shard0.local/shard0"),
    (name = "DATABASE_URL_SHARD0", text = "postgresql://parley_app:${password}@shard0.local/shard0"),
    ${actors.map(([name, className]) => `(name = "${name}", durableObjectNamespace = (className = "${className}"))`).join(',\n    ')}
  ],
  durableObjectNamespaces = [${actors.map(([, className]) => `(className = "${className}", uniqueKey = "${className}", enableSql = true)`).join(', ')}],
  durableObjectStorage = (localDisk = "storage"),
);
`

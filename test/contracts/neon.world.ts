import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { escapeIdentifier, Client } from 'pg'
import type { NeonProxy } from '../../local/neon/start.ts'
import { startNeonProxy } from '../../local/neon/start.ts'
import type { PostgresOptions } from '../../local/postgres/start.ts'
import { startPostgres } from '../../local/postgres/start.ts'

/** A Postgres with the Neon proxy in front, and two empty databases called `first` and `second`. */
export interface NeonWorld {
  readonly proxy: NeonProxy
  /** Address of a database as an application writes it: the endpoint's host, the proxy's password. */
  url(database: string): string
  /** The same database on a replica, where there is one. */
  readonly replicaUrl?: (database: string) => string
  close(): Promise<void>
}

const user = 'app'
const password = 'pass word/@'

/** Starts Postgres with the launcher, in a folder of its own: a primary and its replica. */
export async function launchedWorld(options: Partial<PostgresOptions> = {}): Promise<NeonWorld> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-neon-'))
  const postgres = await startPostgres({ dataDir, databases: ['first', 'second'], ...options })
  const found = await world({
    upstream: (host, database) => (host === 'replica.local' ? postgres.replicaUrl(database) : postgres.url(database)),
    close: async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  })
  return { ...found, replicaUrl: (database) => addressOf('replica.local', database) }
}

/** Uses a running server, making two databases there and dropping them afterwards; `url` must name a role allowed to. */
export async function visitedWorld(url: string): Promise<NeonWorld> {
  const real = (database: string) => `parley_contract_${process.pid}_${database}`
  const names = ['first', 'second'].map(real).map(escapeIdentifier)
  await administer(
    url,
    names.map((name) => `create database ${name}`),
  )
  return await world({
    upstream: (_host, database) => Object.assign(new URL(url), { pathname: `/${real(database)}` }).href,
    close: async () =>
      await administer(
        url,
        names.map((name) => `drop database ${name} with (force)`),
      ),
  })
}

interface Behind {
  readonly upstream: (host: string, database: string) => string
  readonly close: () => Promise<void>
}

async function world({ upstream, close }: Behind): Promise<NeonWorld> {
  const known = new Set(['shard.local/first', 'shard.local/second', 'replica.local/first'])
  const proxy = await startNeonProxy({
    resolve: ({ host, database, user: asking }) =>
      asking === user && known.has(`${host}/${database}`)
        ? { password, upstream: upstream(host, database) }
        : undefined,
  })
  return {
    proxy,
    url: (database) => addressOf('shard.local', database),
    close: async () => {
      await proxy.stop()
      await close()
    },
  }
}

function addressOf(host: string, database: string): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@${host}/${database}`
}

async function administer(url: string, statements: readonly string[]): Promise<void> {
  const client = new Client(url)
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

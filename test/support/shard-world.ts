import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { ensureAppRole, migrate, type Lineage } from '../../local/migrate.ts'
import { startNeonProxy } from '../../local/neon/start.ts'
import { startPostgres } from '../../local/postgres/start.ts'

const password = 'secret'

/** A Postgres with a directory and a shard, or more of them, both migrated, and the way the Worker takes to them. */
export interface ShardWorld {
  /** What each migration of the start has run, by database. */
  readonly ran: Readonly<Record<string, readonly number[]>>
  /** Runs them once more. */
  migrateAgain(): Promise<Record<string, number[]>>
  /** A session of the owner, or of the role the Worker connects as; ends with the world. */
  session(database: string, role: 'owner' | 'app'): Promise<Client>
  /** A session of the owner on the standby; only in a world that was started with one. */
  onReplica(database: string): Promise<Client>
  /** The variables the Worker finds its databases by. */
  readonly vars: Readonly<Record<'NEON_PROXY' | `DATABASE_URL_${string}`, string>>
  close(): Promise<void>
}

/** The host of the standby in connection strings, for a world with one. */
export const replicaHost = 'shard0.replica.local'

export async function startShardWorld({
  replica = false,
  shards = ['shard0'],
  binDir,
}: {
  readonly replica?: boolean
  readonly shards?: readonly string[]
  readonly binDir?: string
} = {}): Promise<ShardWorld> {
  const lineages: Readonly<Record<string, Lineage>> = {
    directory: 'directory',
    ...Object.fromEntries(shards.map((name) => [name, 'shard'] as const)),
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-shard-'))
  const postgres = await startPostgres({
    dataDir,
    databases: Object.keys(lineages),
    replica,
    ...(binDir === undefined ? {} : { binDir }),
  })
  const asApp = (database: string, host = '') =>
    Object.assign(new URL(host === replicaHost ? postgres.replicaUrl(database) : postgres.url(database)), {
      username: 'parley_app',
      password,
    }).href
  const proxy = await startNeonProxy({
    resolve: ({ database, host }) =>
      host === 'nowhere.local' ? undefined : { password, upstream: asApp(database, host) },
  })
  const sessions: Client[] = []

  await ensureAppRole(postgres.url('directory'), password)
  const migrateAll = async () => {
    const ran: Record<string, number[]> = {}
    for (const [database, lineage] of Object.entries(lineages))
      ran[database] = await migrate(postgres.url(database), lineage)
    return ran
  }

  const open = async (url: string) => {
    const session = new Client(url)
    await session.connect()
    sessions.push(session)
    return session
  }

  return {
    ran: await migrateAll(),
    migrateAgain: migrateAll,
    session: (database, role) => open(role === 'app' ? asApp(database) : postgres.url(database)),
    onReplica: (database) => open(postgres.replicaUrl(database)),
    vars: {
      NEON_PROXY: `127.0.0.1:${proxy.port}`,
      DATABASE_URL_DIRECTORY: `postgresql://parley_app:${password}@directory.local/directory`,
      ...Object.fromEntries(
        shards.map((name) => [
          `DATABASE_URL_${name.toUpperCase()}`,
          `postgresql://parley_app:${password}@${name}.local/${name}`,
        ]),
      ),
    },
    async close() {
      for (const session of sessions) await session.end()
      await proxy.stop()
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

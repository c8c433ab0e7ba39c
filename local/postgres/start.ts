import { rm } from 'node:fs/promises'
import { chooseAccount, reachable } from './account.ts'
import { findBinaries } from './binaries.ts'
import type { Making } from './cluster.ts'
import { ensurePrimary, ensureStandby, followPrimary } from './cluster.ts'
import type { DataFolder } from './data-folder.ts'
import { openDataFolder } from './data-folder.ts'
import { ensureDatabases, follows } from './databases.ts'
import { PostgresError, words } from './errors.ts'
import { superuser } from './ready.ts'
import type { ServerSpec } from './server.ts'
import { Server } from './server.ts'

/** What to start. */
export interface PostgresOptions {
  /** Absolute path; made when missing. All state lives here: move it away and the next start is a first start. */
  readonly dataDir: string
  /** Databases to have; missing ones are created, others are left alone. */
  readonly databases: readonly string[]
  /** Also run a streaming standby holding every database read-only. Default true. */
  readonly replica?: boolean
  /** Fixed ports on 127.0.0.1; free ones are found when absent. */
  readonly port?: number
  readonly replicaPort?: number
  /** Folder of the `postgres` and `initdb` to use instead of the ones found. */
  readonly binDir?: string
  /** Force how root sheds its power, see Account; chosen by trying when absent. */
  readonly account?: 'namespace' | 'nobody'
  /** Receives the servers' own lines and ours. Default: silence. */
  readonly log?: (line: string) => void
}

/** A running primary, and its standby if one was asked for. */
export interface Postgres {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Equals `port` when there is no standby, so that callers need not care. */
  readonly replicaPort: number
  readonly user: string
  readonly password: string
  /** `postgres://…` of a database on the primary. */
  url(database: string): string
  /** The same database on the standby, read-only and a few milliseconds behind. */
  replicaUrl(database: string): string
  /** Fast and clean: open sessions are ended, everything committed is on disk. */
  stop(): Promise<void>
}

/** A standby that has not caught up by now lost its place in the log; milliseconds. */
const patience = 10_000

/**
 * Starts Postgres, making its data folder on the first call: about a second then, a third of one later. If a server
 * process dies it is started again on the same port. Throws {@link PostgresError}, one sentence, when it cannot.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const account = await chooseAccount(options.account)
  const data = await openDataFolder(options.dataDir, account)
  const binaries = await reachable(account, await findBinaries(options.binDir), options.dataDir)
  const pair = await startBoth({ binaries, account, folder: data.primary }, data, options)
  const url = (port: number, database: string) =>
    `postgres://${superuser}:${data.password}@127.0.0.1:${port}/${encodeURIComponent(database)}`
  return {
    host: '127.0.0.1',
    port: pair.primary.port,
    replicaPort: pair.replica.port,
    user: superuser,
    password: data.password,
    url: (database) => url(pair.primary.port, database),
    replicaUrl: (database) => url(pair.replica.port, database),
    stop: () => stopBoth(pair),
  }
}

interface Pair {
  readonly primary: Server
  /** The primary itself when no standby was asked for. */
  readonly replica: Server
}

/** The standby cannot serve; being a copy, it can be made again. */
class ReplicaLost extends PostgresError {}

async function startBoth(making: Making, data: DataFolder, options: PostgresOptions): Promise<Pair> {
  await ensurePrimary(making, data.passwordFile)
  try {
    return await tryBoth(making, data, options)
  } catch (error) {
    if (!(error instanceof ReplicaLost)) throw error
    options.log?.(`${error.message} It is copied anew.`)
  }
  await rm(data.replica, { recursive: true, force: true })
  return await tryBoth(making, data, options)
}

/** Both running and the standby caught up. Whatever goes wrong, nothing keeps running. */
async function tryBoth(making: Making, data: DataFolder, options: PostgresOptions): Promise<Pair> {
  const { password } = data
  const { replica: wanted = true, log = () => {} } = options
  const standby = { ...making, folder: data.replica }
  if (wanted) await ensureStandby(standby, data.primary)
  // Not kept while unused: it would fall behind for good.
  else await rm(data.replica, { recursive: true, force: true })

  const primary = await Server.start({ ...making, name: 'primary', port: options.port, password, log })
  try {
    await ensureDatabases({ port: primary.port, password }, options.databases)
    if (!wanted) return { primary, replica: primary }
    await followPrimary(data.replica, { port: primary.port, password })
    const spec = { ...standby, name: 'replica', port: options.replicaPort, password, log }
    return { primary, replica: await startReplica(spec, primary.port) }
  } catch (error) {
    await primary.stop()
    throw error
  }
}

async function startReplica(spec: ServerSpec, primaryPort: number): Promise<Server> {
  const { password } = spec
  const replica = await Server.start(spec).catch((error: unknown) => {
    throw new ReplicaLost(words(error), { cause: error })
  })
  const caughtUp = follows({ port: primaryPort, password }, { port: replica.port, password }, patience)
  if (await caughtUp.catch(() => false)) return replica
  await replica.stop()
  throw new ReplicaLost(`The Postgres replica in ${spec.folder} does not follow its primary.`)
}

/** The standby first: left without its primary it would complain loudly; it takes up where it was at the next start. */
async function stopBoth({ primary, replica }: Pair): Promise<void> {
  if (replica !== primary) await replica.stop()
  await primary.stop()
}

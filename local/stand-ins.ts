import { join } from 'node:path'
import { blobRegion, startBlobServer } from './blobs/server.ts'
import type { Secrets } from './data-folder.ts'
import { embeddedShards } from './embedded-shards.ts'
import { keepTrying } from './keep-trying.ts'
import { oneLine } from './local-error.ts'
import { ensureAppRole, migrate } from './migrate.ts'
import { startNeonProxy } from './neon/start.ts'
import type { Resolve } from './neon/routes.ts'
import { startPostgres, type Postgres } from './postgres/start.ts'
import { startQstash } from './qstash/server.ts'
import type { Settings } from './settings.ts'
import { startUpstash } from './upstash/start.ts'

/** Services running beside the Worker: the variables it finds them by, what to say of them, and how to end them. */
export interface StandIns {
  readonly vars: Readonly<Record<string, string>>
  readonly notes: readonly string[]
  /** The connection strings of the read replicas of embedded shards, by shard; undefined where there is none any more. */
  readonly replicas?: Readonly<Record<string, string | undefined>>
  stop(): Promise<void>
}

/** Starts a stand-in for every service that no real one is configured for. */
export async function startStandIns(settings: Settings, secrets: Secrets): Promise<StandIns> {
  const { real } = settings
  const parts = await allOrNone([
    real['DATABASE_URL_DIRECTORY'] === undefined
      ? embeddedNeon(settings, secrets)
      : realOne('Postgres', pick(real, /^(?:DATABASE_URL_|NEON_PROXY$|SHARDS$)/)),
    real['UPSTASH_REDIS_REST_URL'] === undefined
      ? embeddedUpstash(settings, secrets)
      : realOne('Upstash Redis', pick(real, /^UPSTASH_/)),
    real['QSTASH_TOKEN'] === undefined ? embeddedQstash(settings, secrets) : realOne('QStash', pick(real, /^QSTASH_/)),
    blobStore(settings, secrets),
  ])
  return {
    vars: Object.assign({}, ...parts.map(({ vars }) => vars)),
    notes: parts.flatMap(({ notes }) => notes),
    replicas: Object.assign({}, ...parts.map(({ replicas = {} }) => replicas)),
    stop: async () => void (await Promise.allSettled(parts.map((part) => part.stop()))),
  }
}

/** All of them started, or none: when one fails the others are stopped again. */
async function allOrNone(starting: readonly Promise<StandIns>[]): Promise<StandIns[]> {
  const settled = await Promise.allSettled(starting)
  const started = settled.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []))
  const failed = settled.find((part) => part.status === 'rejected')
  if (failed === undefined) return started
  await Promise.allSettled(started.map((part) => part.stop()))
  throw failed.reason
}

/**
 * Postgres from npm, its databases migrated, behind a proxy that speaks Neon's protocol. Without Postgres the Worker
 * still chats, so one that does not start is tried again in the background; until then the proxy knows no database.
 */
async function embeddedNeon(settings: Settings, { postgresPassword }: Secrets): Promise<StandIns> {
  const { dataDir, hasReplica } = settings
  const shards = await embeddedShards(dataDir, settings.shards)
  const databases = ['directory', ...shards]
  let postgres: Postgres | undefined
  const trying = keepTrying(
    async () => {
      const started = await startPostgres({ dataDir: join(dataDir, 'postgres'), databases, replica: hasReplica })
      try {
        await prepare(started, shards, postgresPassword)
        postgres = started
      } catch (error) {
        await started.stop()
        throw error
      }
    },
    {
      failed: (reason) => console.error(`Postgres does not start, trying again: ${oneLine(reason)}`),
      done: () => console.log('Postgres has started'),
    },
  )
  const stop = async () => {
    await trying.stop()
    await postgres?.stop()
  }
  try {
    const failed = await trying.first
    const proxy = await startNeonProxy({
      resolve: (asked) => (postgres === undefined ? undefined : routes(postgres, postgresPassword)(asked)),
    })
    const at = (host: string, database: string) => `postgresql://parley_app:${postgresPassword}@${host}/${database}`
    const url = (database: string) => at(`${database}.local`, database)
    const replicaUrl = (database: string) => (hasReplica ? at(`${database}.replica.local`, database) : undefined)
    return {
      replicas: Object.fromEntries(shards.map((shard) => [shard, replicaUrl(shard)])),
      vars: {
        NEON_PROXY: `127.0.0.1:${proxy.port}`,
        SHARDS: shards.join(','),
        ...Object.fromEntries(databases.map((database) => [`DATABASE_URL_${database.toUpperCase()}`, url(database)])),
      },
      notes: [
        postgres === undefined
          ? `Postgres    DOWN: ${oneLine(failed)}`
          : `Postgres    ${withoutPassword(postgres.url('directory'))}   and ${shards.join(', ')}; password in ${join(dataDir, 'postgres', 'password')}`,
      ],
      stop: async () => {
        await proxy.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function prepare(postgres: Postgres, shards: readonly string[], password: string): Promise<void> {
  await ensureAppRole(postgres.url('directory'), password)
  await migrate(postgres.url('directory'), 'directory')
  for (const shard of shards) await migrate(postgres.url(shard), 'shard')
}

/**
 * The Worker reaches each database as parley_app, on the primary; `<database>.replica.local` is the standby. Also one that was
 * created later: a shard may be registered while the system runs.
 */
function routes(postgres: Postgres, password: string): Resolve {
  const asApp = (url: string) => Object.assign(new URL(url), { username: 'parley_app', password }).href
  return ({ host, database, user }) => {
    if (user !== 'parley_app' || !/^[a-z]\w{0,62}$/.test(database) || isOfServer(database)) return undefined
    if (host === `${database}.local`) return { password, upstream: asApp(postgres.url(database)) }
    if (host === `${database}.replica.local`) return { password, upstream: asApp(postgres.replicaUrl(database)) }
    return undefined
  }
}

const isOfServer = (database: string) => ['postgres', 'template0', 'template1'].includes(database)

async function embeddedUpstash({ dataDir, redisUrl }: Settings, { redisToken }: Secrets): Promise<StandIns> {
  const storage = redisUrl === undefined ? { dataFile: join(dataDir, 'redis.json') } : { redisUrl }
  const upstash = await startUpstash({ token: redisToken, ...storage })
  return {
    vars: { UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: upstash.token },
    notes: [
      `Redis       ${upstash.url} (Upstash REST${redisUrl === undefined ? '' : `, before ${withoutPassword(redisUrl)}`})`,
    ],
    stop: () => upstash.stop(),
  }
}

async function embeddedQstash({ dataDir }: Settings, secrets: Secrets): Promise<StandIns> {
  const { qstashToken, qstashCurrentKey, qstashNextKey } = secrets
  const qstash = await startQstash({
    dataFile: join(dataDir, 'qstash.sqlite'),
    token: qstashToken,
    currentSigningKey: qstashCurrentKey,
    nextSigningKey: qstashNextKey,
    allowDestination: isLoopback,
  })
  return {
    vars: {
      QSTASH_URL: qstash.url,
      QSTASH_TOKEN: qstashToken,
      QSTASH_CURRENT_SIGNING_KEY: qstashCurrentKey,
      QSTASH_NEXT_SIGNING_KEY: qstashNextKey,
    },
    notes: [`QStash      ${qstash.url}`],
    stop: () => qstash.stop(),
  }
}

/** Plain workerd has no R2: a folder behind the S3 API keeps files there. Miniflare has an R2 of its own. */
async function blobStore({ dataDir, launcher, real }: Settings, { blobSecret }: Secrets): Promise<StandIns> {
  if (real['BLOB_BUCKET_URL'] !== undefined) return await realOne('Files', pick(real, /^BLOB_/))
  if (launcher === 'start') return { vars: {}, notes: [], stop: async () => {} }
  const credentials = { accessKeyId: 'parley', secretAccessKey: blobSecret }
  const server = await startBlobServer(join(dataDir, 'blobs'), credentials)
  return {
    vars: {
      BLOB_BUCKET_URL: server.url,
      BLOB_ACCESS_KEY_ID: credentials.accessKeyId,
      BLOB_SECRET_ACCESS_KEY: blobSecret,
      BLOB_REGION: blobRegion,
    },
    notes: [`Files       ${server.url} (S3 API), in ${join(dataDir, 'blobs')}`],
    stop: () => server.stop(),
  }
}

const isLoopback = (url: string) => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)

/** A connection string as it may be shown. */
function withoutPassword(url: string): string {
  const shown = new URL(url)
  shown.password = ''
  return shown.href
}

const realOne = async (name: string, vars: Record<string, string>): Promise<StandIns> => ({
  vars,
  notes: [`${name}: the real one, by configuration`],
  stop: async () => {},
})

const pick = (vars: Readonly<Record<string, string>>, name: RegExp) =>
  Object.fromEntries(Object.entries(vars).filter(([key]) => name.test(key)))

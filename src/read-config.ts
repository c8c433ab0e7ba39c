import { z } from 'zod'
import type { EndpointRules } from './kernel/outside-url.ts'
import { FacadeConfig } from './read-facade-config.ts'
import { maxActivityActors } from './activity/growing.ts'
import { readEncryptionKeys, type EncryptionKey } from './kernel/encryption.ts'
import type { Shard } from './tenants/shards.ts'
import { reasonOf } from './kernel/log.ts'
import type { Vars } from './vars.ts'

/** Everything that can be set, read once from the environment's variables. docs/config.md lists them for people. */
export interface Config {
  /** `local` allows the demo tenant, its key and `/demo`; anything else is a deployment. */
  readonly environment: 'local' | 'production'
  /** The shards that need not be registered; `SHARDS=shard0:1,shard1:2` gives names and weights. */
  readonly shards: readonly Shard[]
  /** Connection string of the tenant directory; throws when it is not configured. */
  readonly directoryUrl: string
  /** The connection string in a variable, `DATABASE_URL_…`; throws when it is not set. */
  readonly databaseUrl: (variable: string) => string
  /** Encrypt what is stored and must not be read by others: the first encrypts, all decrypt. */
  readonly encryptionKeys: readonly EncryptionKey[]
  /** `host:port` of a Neon proxy to use instead of Neon's own endpoints. */
  readonly neonProxy: string | undefined
  readonly redis: { readonly url: string; readonly token: string } | undefined
  readonly qstash:
    | { readonly url: string; readonly token: string; readonly currentKey: string; readonly nextKey: string }
    | undefined
  /** The bucket of attachments behind the S3 API; undefined where R2 is bound, or where there is none. */
  readonly blobBucket:
    | { readonly url: string; readonly accessKeyId: string; readonly secretAccessKey: string; readonly region: string }
    | undefined
  /** Variables that jobs lack: some of those of QStash are set, and these are not. */
  readonly missingForJobs: readonly string[]
  /** Where QStash reaches this Worker; signatures are checked against it. */
  readonly publicUrl: string
  /** The addresses of tenants that are called; loopback only in the local environment, and only if it was asked for. */
  readonly endpoints: EndpointRules
  readonly facade: FacadeConfig
  /** Opens `/admin`; undefined closes it. */
  readonly adminKey: string | undefined
  /** The tenant that a local key without a tenant in its name belongs to. */
  readonly localTenant: string | undefined
  readonly localApiKey: string | undefined
  /**
   * The open development server, where every client may do everything in the local tenant; undefined everywhere else.
   */
  readonly open: OpenProfile | undefined
  /** Continent code to region name, `REGIONS=EU:weur,NA:enam,*:enam`. */
  readonly regions: ReadonlyMap<string, string>
  readonly gatewaysPerRegion: number
  /** How many Activity actors a tenant has: a power of two. */
  readonly activityActors: (tenant: string) => number
  /** How long a user's last connection must be closed before a conversation is told that the user left. */
  readonly presenceGraceMs: number
  /** How long messages of a conversation gather before they are written to Postgres. */
  readonly projectionDelayMs: number
  /** Open connections from one address at one gateway. */
  readonly connectionsPerAddress: number
  /** WebSockets and streams that this process holds at one time, where clients connect to it themselves. */
  readonly maxConnections: number
  /** Actors that callers named and that this process may have open at once. */
  readonly maxOpenActors: number
  /**
   * Whether clients connect to this process itself, so that the peer's address counts and any client can set
   * `CF-Connecting-IP`.
   */
  readonly directClients: boolean
  /** The header in which a trusted proxy in front names the client's address, in lower case. */
  readonly trustedProxyHeader: string | undefined
  /** Log entries that a conversation keeps with their content once Postgres has them. */
  readonly tailEntries: number
  /** Whether processes keep old pages of history in memory. */
  readonly pageMemory: boolean
  /** Whether gateways keep sockets to busy conversations; see docs/decisions/0004-links.md. */
  readonly links: boolean
  /** Whether gateways sleep between messages while their sockets stay; see docs/decisions/0008-hibernation.md. */
  readonly hibernation: boolean
}

/** The credentials of the open profile: the key of servers, the secret of tokens. Both are public. */
export interface OpenProfile {
  readonly tenant: string
  readonly apiKey: string
  readonly tokenKey: { readonly id: string; readonly secret: string; readonly algorithm: 'HS256' }
}

const variables = z.object({
  ENVIRONMENT: z.enum(['local', 'production']).default('production'),
  SHARDS: z.string().default('shard0,shard1'),
  REGIONS: z.string().default('EU:weur,AF:weur,NA:enam,SA:enam,AS:apac,OC:apac,*:enam'),
  GATEWAYS_PER_REGION: z.coerce.number().int().min(1).max(1024).default(1),
  ACTIVITY_ACTORS: z.string().optional(),
  PROJECTION_DELAY_MS: z.coerce.number().int().min(500).max(600_000).default(60_000),
  PRESENCE_GRACE_MS: z.coerce.number().int().min(0).max(10_000).default(5000),
  CONNECTIONS_PER_ADDRESS: z.coerce.number().int().min(1).default(1000),
  CLIENTS: z.enum(['cloudflare', 'direct']).default('cloudflare'),
  MAX_CONNECTIONS: z.coerce.number().int().min(1).optional(),
  MAX_OPEN_ACTORS: z.coerce.number().int().min(100).optional(),
  TRUSTED_PROXY_HEADER: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'the name of one header')
    .optional(),
  ALLOW_PRIVATE_ENDPOINTS: z.enum(['0', '1']).default('0'),
  PUBLIC_URL: z.string().optional(),
  ADMIN_KEY: z.string().min(16).optional(),
  ENCRYPTION_KEYS: z.string().min(1).optional(),
  LOCAL_TENANT: z.string().optional(),
  LOCAL_API_KEY: z.string().optional(),
  PARLEY_PROFILE: z.enum(['open']).optional(),
  NEON_PROXY: z.string().optional(),
  UPSTASH_REDIS_REST_URL: z.string().optional(),
  UPSTASH_REDIS_REST_TOKEN: z.string().optional(),
  QSTASH_URL: z.string().default('https://qstash.upstash.io'),
  QSTASH_TOKEN: z.string().optional(),
  QSTASH_CURRENT_SIGNING_KEY: z.string().optional(),
  QSTASH_NEXT_SIGNING_KEY: z.string().optional(),
  BLOB_BUCKET_URL: z.url({ protocol: /^https?$/ }).optional(),
  BLOB_ACCESS_KEY_ID: z.string().optional(),
  BLOB_SECRET_ACCESS_KEY: z.string().optional(),
  BLOB_REGION: z.string().default('auto'),
  LINKS: z.enum(['on', 'off']).optional(),
  PAGE_MEMORY: z.enum(['on', 'off']).default('on'),
  HIBERNATION: z.enum(['on', 'off']).optional(),
  TAIL_ENTRIES: z.coerce.number().int().min(0).default(10_000),
})

/** Reads and checks the variables. A wrong or missing one is an error that names it. */
export function readConfig(vars: Vars): Config {
  const v = variables.parse(vars)
  const local = v.ENVIRONMENT === 'local'
  if (!local && v.ADMIN_KEY !== undefined && v.ADMIN_KEY.length < 32)
    throw new Error(`ADMIN_KEY: at least 32 characters in production, got ${v.ADMIN_KEY.length}; make one at random`)
  const publicUrl = (v.PUBLIC_URL ?? 'http://localhost:8787').replace(/\/$/, '')
  return {
    environment: v.ENVIRONMENT,
    shards: readShards(v.SHARDS),
    get directoryUrl() {
      return databaseUrl(vars, 'DATABASE_URL_DIRECTORY')
    },
    databaseUrl: (variable) => databaseUrl(vars, variable),
    encryptionKeys: readKeys(v.ENCRYPTION_KEYS),
    neonProxy: v.NEON_PROXY,
    redis: readRedis(v.UPSTASH_REDIS_REST_URL, v.UPSTASH_REDIS_REST_TOKEN),
    qstash: readQstash(v),
    missingForJobs: missingForJobs(v),
    blobBucket: readBlobBucket(v),
    publicUrl,
    endpoints: {
      allowPrivate: local && v.ALLOW_PRIVATE_ENDPOINTS === '1',
      isDevelopment: local,
      ownHosts: URL.canParse(publicUrl) ? [new URL(publicUrl).hostname] : [],
    },
    facade: new FacadeConfig(vars, local),
    adminKey: v.ADMIN_KEY,
    localTenant: local ? v.LOCAL_TENANT : undefined,
    localApiKey: local ? v.LOCAL_API_KEY : undefined,
    open: readOpenProfile(v),
    regions: new Map(v.REGIONS.split(',').map((pair) => splitPair(pair, 'enam'))),
    gatewaysPerRegion: v.GATEWAYS_PER_REGION,
    activityActors: readActivityActors(v.ACTIVITY_ACTORS),
    presenceGraceMs: v.PRESENCE_GRACE_MS,
    projectionDelayMs: v.PROJECTION_DELAY_MS,
    connectionsPerAddress: v.CONNECTIONS_PER_ADDRESS,
    maxConnections: v.MAX_CONNECTIONS ?? Infinity,
    maxOpenActors: v.MAX_OPEN_ACTORS ?? Infinity,
    directClients: v.CLIENTS === 'direct',
    trustedProxyHeader: v.TRUSTED_PROXY_HEADER?.toLowerCase(),
    tailEntries: v.TAIL_ENTRIES,
    pageMemory: v.PAGE_MEMORY === 'on',
    links: (v.LINKS ?? (local ? 'on' : 'off')) === 'on',
    hibernation: (v.HIBERNATION ?? (local ? 'off' : 'on')) === 'on',
  }
}

function databaseUrl(vars: Vars, name: string): string {
  const value = isDatabaseVariable(name) ? vars[name] : undefined
  if (value === undefined) throw new Error(`${name} is not set: give the connection string of that Postgres database`)
  return value
}

const isDatabaseVariable = (name: string): name is `DATABASE_URL_${string}` => name.startsWith('DATABASE_URL_')

function readKeys(text: string | undefined): EncryptionKey[] {
  try {
    return text === undefined ? [] : readEncryptionKeys(text)
  } catch (thrown) {
    throw new Error(`ENCRYPTION_KEYS: ${reasonOf(thrown)}`, { cause: thrown })
  }
}

/**
 * Refused rather than ignored outside of development: the operator who sets it expects that every client may come in.
 */
function readOpenProfile(v: z.output<typeof variables>): OpenProfile | undefined {
  if (v.PARLEY_PROFILE === undefined) return undefined
  if (v.ENVIRONMENT !== 'local' || v.LOCAL_TENANT === undefined)
    throw new Error('PARLEY_PROFILE: open is for the local environment only; unset it')
  const tokenKey = { id: 'open', secret: 'secret', algorithm: 'HS256' as const }
  return { tenant: v.LOCAL_TENANT, apiKey: 'test-api-key', tokenKey }
}

const readShards = (text: string): Shard[] =>
  text.split(',').map((part) => {
    const [name, weight] = splitPair(part, '1')
    if (!/^\w+$/.test(name) || !(Number(weight) > 0))
      throw new Error(`SHARDS: "${part}" is no shard; write name or name:weight with a weight above 0`)
    return { name, weight: Number(weight) }
  })

function readActivityActors(text: string | undefined): Config['activityActors'] {
  const actors = new Map((text?.split(',') ?? []).map(readActorsOf))
  return (tenant) => actors.get(tenant) ?? 1
}

function readActorsOf(part: string): [string, number] {
  const [tenant, given] = splitPair(part, '')
  const number = Number(given)
  if (tenant === '' || !(number >= 1 && number <= maxActivityActors) || !Number.isInteger(Math.log2(number)))
    throw new Error(
      `ACTIVITY_ACTORS: "${part}": write tenant:number with a power of two from 1 to ${maxActivityActors}`,
    )
  return [tenant, number]
}

const splitPair = (text: string, fallback: string): [string, string] => {
  const [left = '', right = fallback] = text.trim().split(':')
  return [left, right]
}

const readRedis = (url: string | undefined, token: string | undefined) =>
  url === undefined || token === undefined ? undefined : { url, token }

function readQstash(v: z.output<typeof variables>): Config['qstash'] {
  const { QSTASH_TOKEN: token, QSTASH_CURRENT_SIGNING_KEY: currentKey, QSTASH_NEXT_SIGNING_KEY: nextKey } = v
  if (token === undefined || currentKey === undefined || nextKey === undefined) return undefined
  return { url: v.QSTASH_URL, token, currentKey, nextKey }
}

/** A bucket of which only a part is configured would be taken for none. */
function readBlobBucket(v: z.output<typeof variables>): Config['blobBucket'] {
  const { BLOB_BUCKET_URL: url, BLOB_ACCESS_KEY_ID: accessKeyId, BLOB_SECRET_ACCESS_KEY: secretAccessKey } = v
  if (url === undefined && accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (url === undefined || accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error('BLOB_BUCKET_URL, BLOB_ACCESS_KEY_ID, BLOB_SECRET_ACCESS_KEY: set all three, or none')
  return { url: url.replace(/\/$/, ''), accessKeyId, secretAccessKey, region: v.BLOB_REGION }
}

function missingForJobs(v: z.output<typeof variables>): string[] {
  const names = ['QSTASH_TOKEN', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY'] as const
  if (names.every((name) => v[name] === undefined)) return []
  // QStash calls a deployment by its public address; only a development system has one by default.
  const needed = v.ENVIRONMENT === 'production' ? ([...names, 'PUBLIC_URL'] as const) : names
  return needed.filter((name) => v[name] === undefined)
}

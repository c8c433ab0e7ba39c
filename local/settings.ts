import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { LocalError } from './local-error.ts'
import { requireWholeServices } from './real-services.ts'
import { readSplit } from './split.ts'
import type { Split } from './worker-config.ts'
import { isDevelopment, isLoopback, readProfile, type Launcher, type Profile } from './profile.ts'

/** What `npm start` and `npm run serve` can be told, by variables and flags; docs/config.md lists them. */
export interface Settings {
  readonly port: number
  readonly host: string
  /** Absolute folder of everything that lasts. */
  readonly dataDir: string
  /** Begin with nothing. */
  readonly fresh: boolean
  /** Shards of the embedded Postgres to have at least. */
  readonly shards: number | undefined
  /** Whether the embedded Postgres has a read replica, which serves every shard. */
  readonly hasReplica: boolean
  /** Contexts that run as Workers of their own. */
  readonly split: Split
  readonly messagesPerSecond: number | undefined
  readonly requestsPerSecond: number | undefined
  /** Variables of the Worker that are set and have a sense on one machine; it checks them itself. */
  readonly tuned: Readonly<Record<string, string>>
  /** Lets jobs post to loopback, for trying them out. */
  readonly allowPrivateEndpoints: boolean
  readonly profile: Profile
  /** Whether a development system has the bot of examples/bot, which greets new users of the page. */
  readonly hasGuide: boolean
  readonly launcher: Launcher
  /** The operator's key, when one was given; otherwise the data folder's own. */
  readonly adminKey: string | undefined
  /** How long jobs under way may take to end when it is told to end. */
  readonly drainSeconds: number
  /** Where workerd listens for a debugger, on loopback only; `npm run serve` alone. */
  readonly inspectorPort: number | undefined
  readonly redisUrl: string | undefined
  /** Variables of real services that are set; for those no stand-in is started. */
  readonly real: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, '..')
const realNames =
  /^(?:DATABASE_URL_[A-Z0-9_]+|NEON_PROXY|SHARDS|UPSTASH_REDIS_REST_(?:URL|TOKEN)|QSTASH_(?:URL|TOKEN|CURRENT_SIGNING_KEY|NEXT_SIGNING_KEY)|BLOB_(?:BUCKET_URL|ACCESS_KEY_ID|SECRET_ACCESS_KEY|REGION)|PUBLIC_URL)$/
const tunedNames =
  /^(?:TAIL_ENTRIES|PAGE_MEMORY|PROJECTION_DELAY_MS|LINKS|HIBERNATION|PRESENCE_GRACE_MS|CONNECTIONS_PER_ADDRESS|GATEWAYS_PER_REGION|ACTIVITY_ACTORS|REGIONS|TRUSTED_PROXY_HEADER|MAX_CONNECTIONS|MAX_OPEN_ACTORS|ENCRYPTION_KEYS|FACADE_HOSTS|FACADE_PATHS|FACADE_PRIVATE_HOSTS)$/

/** Reads the settings; a wrong one ends the start with a sentence that names it. */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[], launcher: Launcher = 'serve'): Settings {
  const { fresh, shards, hasReplica, split } = readOptions(args)
  requireWholeServices(env)
  if (shards !== undefined && env['DATABASE_URL_DIRECTORY'])
    throw new LocalError('--shards is for the embedded Postgres; register shards of another one with npm run shards.')
  if (hasReplica && env['DATABASE_URL_DIRECTORY'])
    throw new LocalError(
      '--replicas is for the embedded Postgres; register replicas of another one with npm run shards -- add-replica.',
    )
  const settings: Settings = {
    port: wholeNumber(env, 'PORT', 1, 65_535) ?? 8787,
    host: env['HOST'] || '127.0.0.1',
    dataDir: readFolder(env['PARLEY_DATA'] || '.parley'),
    fresh,
    shards,
    hasReplica,
    split,
    messagesPerSecond: wholeNumber(env, 'LIMIT_MESSAGES_PER_SECOND', 1, 1e9),
    requestsPerSecond: wholeNumber(env, 'LIMIT_REQUESTS_PER_SECOND', 1, 1e9),
    tuned: readTuned(env),
    allowPrivateEndpoints: env['ALLOW_PRIVATE_ENDPOINTS'] === '1',
    profile: readProfile(env, launcher),
    hasGuide: launcher === 'start' && env['PARLEY_GUIDE'] !== 'off',
    launcher,
    adminKey: env['ADMIN_KEY'] || undefined,
    drainSeconds: wholeNumber(env, 'DRAIN_SECONDS', 0, 600) ?? 5,
    inspectorPort: wholeNumber(env, 'INSPECTOR_PORT', 1, 65_535),
    redisUrl: env['REDIS_URL'] || undefined,
    real: setIn(env, realNames),
  }
  if (isDevelopment(settings.profile)) requireLoopback(settings)
  else requireProduction(settings)
  return settings
}

/** Databases of one embedded Postgres: more of them would compete for the same disk. */
const maxEmbeddedShards = 32

function readOptions(args: readonly string[]): Pick<Settings, 'fresh' | 'shards' | 'hasReplica' | 'split'> {
  try {
    const options = {
      fresh: { type: 'boolean' },
      shards: { type: 'string' },
      replicas: { type: 'string' },
      split: { type: 'string' },
      transfer: { type: 'string' },
    } as const
    const { values } = parseArgs({ args: [...args], options })
    const shards = wholeNumber({ '--shards': values.shards }, '--shards', 1, maxEmbeddedShards)
    const replicas = wholeNumber({ '--replicas': values.replicas }, '--replicas', 0, 1)
    const split = readSplit(values.split, values.transfer)
    return { fresh: values.fresh ?? false, shards, hasReplica: replicas === 1, split }
  } catch (thrown) {
    if (thrown instanceof LocalError) throw thrown
    const [unknown = args[0]] = args.filter(
      (arg) => !/^(?:--fresh|--(?:shards|replicas|split|transfer)(?:=.*)?|\d+)$/.test(arg),
    )
    throw new LocalError(
      `${unknown} is not an option here; there are --fresh, --shards <number>, --replicas <0 or 1>, --split <contexts>, --transfer <contexts> and --help.`,
    )
  }
}

/** The development profiles let every caller in, so only this machine may reach them. */
function requireLoopback({ host, profile }: Settings): void {
  if (!isLoopback(host))
    throw new LocalError(
      `HOST is "${host}", but the profile "${profile}" listens on loopback only, since every caller may enter; ` +
        'unset HOST, or run npm run serve without PARLEY_PROFILE.',
    )
}

/** A service of which only a part is configured would be taken for absent, and its embedded stand-in started. */
function requireWhole(real: Settings['real']): void {
  const shards = (real['SHARDS'] ?? 'shard0,shard1').split(',').map((part) => part.trim().split(':')[0] ?? '')
  const services = {
    Postgres: ['DATABASE_URL_DIRECTORY', ...shards.map((shard) => `DATABASE_URL_${shard.toUpperCase()}`)],
    Redis: ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
    QStash: ['QSTASH_TOKEN', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY', 'PUBLIC_URL'],
    'Blob storage': ['BLOB_BUCKET_URL', 'BLOB_ACCESS_KEY_ID', 'BLOB_SECRET_ACCESS_KEY'],
  }
  for (const [service, names] of Object.entries(services)) {
    const missing = names.filter((name) => real[name] === undefined)
    // The public address alone configures no QStash.
    const isBegun = names.some((name) => name !== 'PUBLIC_URL' && real[name] !== undefined)
    if (isBegun && missing.length > 0)
      throw new LocalError(
        `${service} is configured in part: set ${missing.join(', ')} too, or none of ${names.join(', ')}.`,
      )
  }
}

const minKeyLength = 32

function requireProduction({ adminKey, allowPrivateEndpoints, real }: Settings): void {
  requireWhole(real)
  if (allowPrivateEndpoints)
    throw new LocalError('ALLOW_PRIVATE_ENDPOINTS is for PARLEY_PROFILE=dev only: jobs could post to this network.')
  if (adminKey !== undefined && adminKey.length < minKeyLength)
    throw new LocalError(
      `ADMIN_KEY has ${adminKey.length} characters; give at least ${minKeyLength}, or unset it and one is made.`,
    )
}

/** Where this machine itself reaches the server. */
export function originOf({ host, port }: Pick<Settings, 'host' | 'port'>): string {
  const reached = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${bracketed(reached)}:${port}`
}

/** A host as it stands before a port. */
export const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)

/** A relative folder is below the sources. A shell leaves `~` as it is within quotes, and an env file always does. */
const readFolder = (data: string): string => resolve(root, data.replace(/^~(?=\/|$)/, homedir()))

function readTuned(env: NodeJS.ProcessEnv): Record<string, string> {
  const tuned = setIn(env, tunedNames)
  for (const name of ['LINKS', 'HIBERNATION']) {
    const value = tuned[name] ?? 'on'
    if (value !== 'on' && value !== 'off') throw new LocalError(`${name} is "${value}"; it is on or off.`)
  }
  return tuned
}

const setIn = (env: NodeJS.ProcessEnv, names: RegExp): Record<string, string> =>
  Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (names.test(name) && value ? [[name, value]] : [])))

function wholeNumber(env: NodeJS.ProcessEnv, name: string, least: number, most: number): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new LocalError(`${name} is "${text}"; it must be a whole number from ${least} to ${most}.`)
}

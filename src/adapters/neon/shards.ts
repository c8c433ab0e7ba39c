import type { Config } from '../../config.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { decrypt } from '../../kernel/encryption.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { ShardCache, type KnownShards, type ShardRegistry } from '../../tenants/shard-cache.ts'
import { connectionContext, connectionKey, maxShards, ShardRefused, type StoredShard } from '../../tenants/shards.ts'
import { postgres } from '../dependencies.ts'
import { backgroundDeadlineMs } from '../dependency.ts'
import { knownInvalidations } from '../process-epochs.ts'
import { connect, type Database } from './connect.ts'
import { newestMigration } from './newest-migration.ts'
import { selectMigration } from './select-migration.ts'

/** What this isolate knows of the shards. */
const cache = new ShardCache(knownInvalidations())
/** Decrypted connection strings, by what was decrypted. */
const decrypted = new BoundedMap<string, string>(2 * maxShards)
/** Shards whose schema was found to be new enough, by their connection. */
const isCurrent = new BoundedMap<string, true>(2 * maxShards)
/** Until when a shard that lacks migrations is not asked again, and what it has. */
const behind = new BoundedMap<string, { readonly until: number; readonly number: number }>(maxShards)
const behindMs = 10_000

/** All shards: those that the configuration names, and the registered ones. */
export const shardsOf = (config: Config, registry: ShardRegistry): Promise<KnownShards> =>
  cache.all(registry, config.shards, systemClock.now())

/** All shards as they are at this moment, for what is decided once and for all. */
export const shardsNow = (config: Config, registry: ShardRegistry): Promise<KnownShards> =>
  cache.read(registry, config.shards, systemClock.now())

/** The list of shards was changed from here. */
export const shardsChanged = (version: number): void => cache.changed(version)

/** What a caller does with a shard. */
export type ShardUse = 'read' | 'write'

/**
 * Opens the database of a shard. Throws `ShardRefused` when there is no such shard, when it is read-only and `use` is `write`,
 * and when its schema is older than this Worker needs. With `isOptional` its queries throw CallRefused unless its breaker is closed.
 */
export async function openShard(
  config: Config,
  registry: ShardRegistry,
  name: string,
  use: ShardUse,
  deadlineMs = backgroundDeadlineMs,
  isOptional = false,
): Promise<Database> {
  const { shard, known } = await cache.find(name, registry, config.shards, systemClock.now())
  if (shard === undefined)
    throw new ShardRefused(
      name,
      known.isWhole ? 'no shard of this name is registered' : 'the shards cannot be read now',
      known.isWhole,
    )
  if (use === 'write' && shard.state === 'read-only') throw new ShardRefused(name, 'the shard is read-only')
  const url = await connectionOf(config, shard)
  const database = connect(config, url, deadlineMs, postgres(url), isOptional)
  if ((known.schemas[name] ?? 0) < newestMigration.shard && !isCurrent.has(connectionKey(shard))) {
    await requireSchema(registry, name, database)
    isCurrent.set(connectionKey(shard), true)
  }
  return database
}

/** The connection string of a shard. Throws when it cannot be decrypted, or its variable is not set. */
export async function connectionOf(config: Config, { name, connection }: StoredShard): Promise<string> {
  if (connection.kind === 'secret') return config.databaseUrl(connection.variable)
  const known = decrypted.get(connection.text)
  if (known !== undefined) return known
  const text = await decrypt(config.encryptionKeys, connection.text, connectionContext(name))
  decrypted.set(connection.text, text)
  return text
}

/** Asks the shard itself, where it was not seen with a schema that is new enough. */
async function requireSchema(registry: ShardRegistry, name: string, database: Database): Promise<void> {
  const now = systemClock.now()
  const lately = behind.get(name)
  const number = lately !== undefined && now < lately.until ? lately.number : await selectMigration(database)
  if (number < newestMigration.shard) {
    if (lately === undefined || now >= lately.until) behind.set(name, { until: now + behindMs, number })
    throw new ShardRefused(name, behindBy(number))
  }
  behind.delete(name)
  try {
    await registry.noteShardSchema(name, number)
  } catch (thrown) {
    log.warn('shards.schema-unnoted', { shard: name, reason: reasonOf(thrown) })
  }
}

/** What is wrong with a shard that has this migration as its newest. */
export const behindBy = (number: number): string =>
  `has migration ${number} of ${newestMigration.shard}: its work is refused until the migrations have run`

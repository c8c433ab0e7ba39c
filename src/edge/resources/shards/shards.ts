import { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { connect, type Database } from '../../../adapters/neon/connect.ts'
import { createPartitions } from '../../../adapters/neon/create-partitions.ts'
import { selectMoving } from '../../../adapters/neon/moves.ts'
import { newestMigration } from '../../../adapters/neon/newest-migration.ts'
import { selectMigration } from '../../../adapters/neon/select-migration.ts'
import { selectPlaced } from '../../../adapters/neon/select-placed.ts'
import { connectionOf, openShard, shardsNow } from '../../../adapters/neon/shards.ts'
import { loadConfig, type Config } from '../../../config.ts'
import { monthsAhead } from '../../../cron/partitions.ts'
import { monthsFrom } from '../../../cron/months.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { decrypt, encrypt, encryptionKeyOf } from '../../../kernel/encryption.ts'
import { reasonOf } from '../../../kernel/log.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  newShard,
  reEncrypted,
  shardChange,
  shardName,
  shardsView,
  shardView,
  type ShardView,
} from '../../../protocol/shards-api.ts'
import { replicaContext, replicaLabel } from '../../../tenants/replicas.ts'
import type { KnownShards } from '../../../tenants/shard-cache.ts'
import { connectionContext, isSameDatabase, type ShardConnection, type StoredShard } from '../../../tenants/shards.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { answered, noKey, shownConnection, storedConnection } from './connections.ts'
import { hasJurisdiction } from './jurisdictions.ts'
import { shownReplica } from './replicas.ts'
import { shardsWereChanged } from './shards-changed.ts'

const tag = 'Operator'
const access = 'operator'
const path = '/admin/v1/shards/{name}'
const params = z.object({ name: z.string().max(64) })
const exampleShard = {
  name: 'eu2',
  weight: 1,
  region: 'weur',
  state: 'active',
  connection: { kind: 'encrypted', key: 'k1' },
  replicas: [],
  schema: newestMigration.shard,
  isConfigured: false,
} as const

const listShards = operation(
  defineOperation({
    id: 'listShards',
    method: 'get',
    path: '/admin/v1/shards',
    tag,
    summary: 'List the Postgres shards',
    access,
    responses: { 200: shardsView },
    example: { response: { shards: [exampleShard], neededSchema: newestMigration.shard } },
  }),
  async ({ c }) => {
    const config = loadConfig(c.env)
    const known = await shardsNow(config, platformOf(c.env))
    const shards = known.shards.map((shard) => shown(config, known, shard))
    return { status: 200, body: { shards, neededSchema: newestMigration.shard } }
  },
)

const putShard = operation(
  defineOperation({
    id: 'putShard',
    method: 'put',
    path,
    tag,
    summary: 'Register a Postgres shard, or replace its properties',
    description:
      'Connects to the database, which must have been migrated. New tenants are placed on it from then on; existing tenants stay where they are.',
    access,
    params,
    body: newShard,
    responses: { 201: shardView, 200: shardView },
    errors: ['conflict'],
    example: {
      body: { connection: 'postgresql://parley_app:password@eu2.example.com/parley', region: 'weur' },
      response: exampleShard,
    },
  }),
  async ({ c, params: { name }, body: { connection, secret, weight, region, jurisdiction, state } }) => {
    const config = loadConfig(c.env)
    const known = await shardsNow(config, platformOf(c.env))
    const before = known.shards.find((shard) => shard.name === name)
    if (before === undefined) requireName(name)
    if (before !== undefined && before.jurisdiction !== jurisdiction)
      fail('conflict', `jurisdiction: ${name} has ${before.jurisdiction ?? 'none'}, and its tenants depend on that`)
    if (jurisdiction !== undefined && !hasJurisdiction(c.env, jurisdiction))
      fail(
        'invalid-request',
        `jurisdiction: "${jurisdiction}" is not available, since this system runs on workerd alone`,
      )
    const shard: StoredShard = {
      name,
      connection: await storedConnection(config, connectionContext(name), { connection, secret }),
      weight,
      state,
      ...(region === undefined ? {} : { region }),
      ...(jurisdiction === undefined ? {} : { jurisdiction }),
    }
    await requireOwnDatabase(config, known, shard)
    await requireSameForReplicas(config, known, before, shard)
    const schema = await prepare(c.env, config, shard)
    const { version } = accepted(await platformOf(c.env).putShard(shard, schema))
    await shardsWereChanged(c.env, version)
    const view = shown(config, { ...known, schemas: { ...known.schemas, [name]: schema } }, shard)
    return before === undefined ? { status: 201, body: view } : { status: 200, body: view }
  },
)

const changeShard = operation(
  defineOperation({
    id: 'changeShard',
    method: 'patch',
    path,
    tag,
    summary: 'Change the weight, region or state of a shard',
    description: 'Holds everywhere within a second of the answer.',
    access,
    params,
    body: shardChange,
    responses: { 200: shardView },
    example: { body: { state: 'draining' }, response: { ...exampleShard, state: 'draining' } },
  }),
  async ({ c, params: { name }, body }) => {
    const version = await platformOf(c.env).changeShard(name, body)
    if (version === undefined) return noSuchShard()
    await shardsWereChanged(c.env, version)
    const config = loadConfig(c.env)
    const known = await shardsNow(config, platformOf(c.env))
    const shard = known.shards.find((each) => each.name === name)
    return shard === undefined ? noSuchShard() : { status: 200, body: shown(config, known, shard) }
  },
)

const removeShard = operation(
  defineOperation({
    id: 'removeShard',
    method: 'delete',
    path,
    tag,
    summary: 'Remove a draining shard that holds no tenant',
    description: 'The database is left as it is.',
    access,
    params,
    responses: { 204: null },
    errors: ['conflict'],
  }),
  async ({ c, params: { name } }) => {
    const config = loadConfig(c.env)
    const { shards } = await shardsNow(config, platformOf(c.env))
    const shard = shards.find((each) => each.name === name)
    if (shard === undefined) return noSuchShard()
    if (config.shards.some((each) => each.name === name)) fail('conflict', `${name}: SHARDS names it; remove it there`)
    if (shard.state !== 'draining') fail('conflict', `state: ${name} is ${shard.state}; make it draining first`)
    const ask = <T>(question: (database: Database) => Promise<T>) =>
      fromDependency(
        name,
        async () => question(await openShard(config, platformOf(c.env), name, 'read', requestDeadlineMs)),
        c.env.request,
      )
    const [placed] = await ask((database) => selectPlaced(database, '', 1))
    if (placed !== undefined) fail('conflict', `${name}: it holds tenants, the first is "${placed}"; move them first`)
    const moving = await ask(selectMoving)
    if (moving !== undefined)
      fail('conflict', `${name}: it holds rows of "${moving}", whose move is not ended; confirm or reverse it first`)
    const version = await platformOf(c.env).removeShard(name)
    if (version === undefined) return noSuchShard()
    await shardsWereChanged(c.env, version)
    return { status: 204 }
  },
)

const reEncryptShards = operation(
  defineOperation({
    id: 'reEncryptShards',
    method: 'post',
    path: '/admin/v1/shards/re-encrypt',
    tag,
    summary: 'Encrypt the connection strings of all shards and replicas with the first key',
    description: 'May be repeated. When nothing failed, the second key of ENCRYPTION_KEYS is not needed any more.',
    access,
    responses: { 200: reEncrypted },
    errors: ['conflict'],
    example: { response: { key: 'k2', changed: ['eu2'], failed: [] } },
  }),
  async ({ c }) => {
    const { encryptionKeys } = loadConfig(c.env)
    const [key] = encryptionKeys
    if (key === undefined) return fail('conflict', noKey)
    const changed: string[] = []
    const failed: { name: string; reason: string }[] = []
    const platform = platformOf(c.env)
    const reEncrypt = async (
      name: string,
      connection: ShardConnection,
      context: string,
      store: (before: string, connection: ShardConnection) => Promise<number | undefined>,
    ) => {
      if (connection.kind !== 'encrypted' || encryptionKeyOf(connection.text) === key.id) return
      try {
        const plain = await decrypt(encryptionKeys, connection.text, context)
        const text = await encrypt(encryptionKeys, plain, context)
        const version = await store(connection.text, { kind: 'encrypted', text })
        if (version !== undefined) await shardsWereChanged(c.env, version)
        changed.push(name)
      } catch (thrown) {
        failed.push({ name, reason: reasonOf(thrown) })
      }
    }
    const { shards: all, replicas } = await platform.shards()
    for (const { name, connection } of all)
      await reEncrypt(name, connection, connectionContext(name), (before, now) =>
        platform.reEncryptShard(name, before, now),
      )
    for (const [shard, ofShard] of Object.entries(replicas))
      for (const { name, connection } of ofShard)
        await reEncrypt(replicaLabel(shard, name), connection, replicaContext(shard, name), (before, now) =>
          platform.reEncryptReplica(shard, name, before, now),
        )
    return { status: 200, body: { key: key.id, changed, failed } }
  },
)

/** The operator's shards. No answer contains a connection string. */
export const shards = [listShards, putShard, changeShard, removeShard, reEncryptShards]

const noSuchShard = (): never => fail('not-found', 'name: no such shard')

function requireName(name: string): void {
  const { error } = shardName.safeParse(name)
  if (error !== undefined) fail('invalid-request', `name: ${error.issues[0]?.message ?? ''}`)
}

/** Two names for one database would place tenants twice, and a move between the two would delete what it copied. */
async function requireOwnDatabase(config: Config, { shards: others }: KnownShards, shard: StoredShard): Promise<void> {
  const own = await connectionOf(config, shard)
  for (const other of others) {
    if (other.name === shard.name) continue
    // A shard whose connection cannot be read here cannot be compared.
    const theirs = await connectionOf(config, other).catch(() => undefined)
    if (theirs !== undefined && isSameDatabase(own, theirs))
      fail('conflict', `connection: this database is registered already, as ${other.name}`)
  }
}

/** Replicas of another database would be read as if they were of this one. */
async function requireSameForReplicas(
  config: Config,
  { replicas }: KnownShards,
  before: StoredShard | undefined,
  shard: StoredShard,
): Promise<void> {
  const names = (replicas[shard.name] ?? []).map(({ name }) => name)
  if (before === undefined || names.length === 0) return
  const [own, earlier] = await Promise.all([connectionOf(config, shard), connectionOf(config, before)])
  if (!isSameDatabase(own, earlier))
    fail('conflict', `connection: the replicas ${names.join(', ')} are those of another database; remove them first`)
}

/** Connects to the shard, makes its partitions, and returns the number of its newest migration. */
async function prepare(env: Env, config: Config, shard: StoredShard): Promise<number> {
  const { name } = shard
  const database = connect(config, await connectionOf(config, shard), requestDeadlineMs)
  const number = await answered(() => fromDependency(name, () => selectMigration(database), env.request))
  if (number < newestMigration.shard)
    fail(
      'conflict',
      `connection: the database has migration ${number} of ${newestMigration.shard}; run npm run migrate -- shard <connection string of the owner> first`,
    )
  const months = monthsFrom(systemClock.now(), monthsAhead)
  await answered(() => fromDependency(name, () => createPartitions(database, months), env.request))
  return number
}

/** A shard as its operator sees it. */
function shown(config: Config, { schemas, replicas }: KnownShards, shard: StoredShard): ShardView {
  const { name, weight, region, jurisdiction, state, connection } = shard
  return {
    name,
    weight,
    ...(region === undefined ? {} : { region }),
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    state,
    connection: shownConnection(connection),
    replicas: (replicas[name] ?? []).map(shownReplica),
    schema: schemas[name] ?? 0,
    isConfigured: config.shards.some((each) => each.name === name),
  }
}

import { NeonDbError } from '@neondatabase/serverless'
import { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import { DependencyError, fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { createPartitions } from '../../../adapters/neon/create-partitions.ts'
import { newestMigration } from '../../../adapters/neon/newest-migration.ts'
import { selectMigration } from '../../../adapters/neon/select-migration.ts'
import { selectPlaced } from '../../../adapters/neon/select-placed.ts'
import { connectionOf, openShard, shardsChanged, shardsNow } from '../../../adapters/neon/shards.ts'
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
import type { KnownShards } from '../../../tenants/shard-cache.ts'
import { connectionContext, isSameDatabase, type ShardConnection, type StoredShard } from '../../../tenants/shards.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { hasJurisdiction } from './jurisdictions.ts'

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
      connection: await stored(config, name, connection, secret),
      weight,
      state,
      ...(region === undefined ? {} : { region }),
      ...(jurisdiction === undefined ? {} : { jurisdiction }),
    }
    await requireOwnDatabase(config, known, shard)
    const schema = await prepare(c.env, config, shard)
    const { version } = accepted(await platformOf(c.env).putShard(shard, schema))
    shardsChanged(version)
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
    description: 'Holds everywhere within ten seconds.',
    access,
    params,
    body: shardChange,
    responses: { 200: shardView },
    example: { body: { state: 'draining' }, response: { ...exampleShard, state: 'draining' } },
  }),
  async ({ c, params: { name }, body }) => {
    const version = await platformOf(c.env).changeShard(name, body)
    if (version === undefined) return noSuchShard()
    shardsChanged(version)
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
    const [placed] = await fromDependency(
      name,
      async () => selectPlaced(await openShard(config, platformOf(c.env), name, 'read', requestDeadlineMs), '', 1),
      c.env.request,
    )
    if (placed !== undefined) fail('conflict', `${name}: it holds tenants, the first is "${placed}"; move them first`)
    const version = await platformOf(c.env).removeShard(name)
    if (version === undefined) return noSuchShard()
    shardsChanged(version)
    return { status: 204 }
  },
)

const reEncryptShards = operation(
  defineOperation({
    id: 'reEncryptShards',
    method: 'post',
    path: '/admin/v1/shards/re-encrypt',
    tag,
    summary: 'Encrypt the connection strings of all shards with the first key',
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
    for (const { name, connection } of (await platformOf(c.env).shards()).shards) {
      if (connection.kind !== 'encrypted' || encryptionKeyOf(connection.text) === key.id) continue
      try {
        const plain = await decrypt(encryptionKeys, connection.text, connectionContext(name))
        const text = await encrypt(encryptionKeys, plain, connectionContext(name))
        const version = await platformOf(c.env).reEncryptShard(name, connection.text, { kind: 'encrypted', text })
        if (version !== undefined) shardsChanged(version)
        changed.push(name)
      } catch (thrown) {
        failed.push({ name, reason: reasonOf(thrown) })
      }
    }
    return { status: 200, body: { key: key.id, changed, failed } }
  },
)

/** The operator's shards. No answer contains a connection string. */
export const shards = [listShards, putShard, changeShard, removeShard, reEncryptShards]

const noKey = 'ENCRYPTION_KEYS is not set, so that no connection string can be stored; set it, or give `secret`'

const noSuchShard = (): never => fail('not-found', 'name: no such shard')

function requireName(name: string): void {
  const { error } = shardName.safeParse(name)
  if (error !== undefined) fail('invalid-request', `name: ${error.issues[0]?.message ?? ''}`)
}

/** The connection as it is stored. */
async function stored(
  config: Config,
  name: string,
  connection: string | undefined,
  secret: string | undefined,
): Promise<ShardConnection> {
  if (connection === undefined) {
    const variable = secret ?? ''
    try {
      config.databaseUrl(variable)
    } catch (thrown) {
      fail('invalid-request', `secret: ${reasonOf(thrown)}`)
    }
    return { kind: 'secret', variable }
  }
  if (config.encryptionKeys.length === 0) fail('conflict', `connection: ${noKey}`)
  return { kind: 'encrypted', text: await encrypt(config.encryptionKeys, connection, connectionContext(name)) }
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

/** A database that answers and refuses has another fault than one that does not answer: a wrong password or role, say. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    const cause = thrown instanceof DependencyError ? thrown.cause : thrown
    if (cause instanceof NeonDbError && cause.code !== undefined)
      fail('conflict', `connection: the database refuses: ${cause.message}`)
    throw thrown
  }
}

/** A shard as its operator sees it. */
function shown(config: Config, { schemas }: KnownShards, shard: StoredShard): ShardView {
  const { name, weight, region, jurisdiction, state, connection } = shard
  const key = connection.kind === 'encrypted' ? encryptionKeyOf(connection.text) : undefined
  return {
    name,
    weight,
    ...(region === undefined ? {} : { region }),
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    state,
    connection:
      connection.kind === 'secret'
        ? { kind: 'secret', secret: connection.variable }
        : { kind: 'encrypted', ...(key === undefined ? {} : { key }) },
    schema: schemas[name] ?? 0,
    isConfigured: config.shards.some((each) => each.name === name),
  }
}

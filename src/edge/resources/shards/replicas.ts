import { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { checkReplicas, foreignReason, type CheckedReplica } from '../../../adapters/neon/check-replicas.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { connectionOfReplica } from '../../../adapters/neon/read-shard.ts'
import { describePrimary, describeReplica } from '../../../adapters/neon/replica-state.ts'
import { connectionOf, openShard, shardsNow } from '../../../adapters/neon/shards.ts'
import { loadConfig, type Config } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  newReplica,
  replicaChange,
  replicaName,
  replicasView,
  replicaView,
  type CheckedReplicaView,
  type ReplicaView,
} from '../../../protocol/shards-api.ts'
import { readPosition, replicaContext, replicaLabel } from '../../../tenants/replicas.ts'
import type { KnownShards } from '../../../tenants/shard-cache.ts'
import { isSameDatabase, type StoredReplica, type StoredShard } from '../../../tenants/shards.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { answered, shownConnection, storedConnection } from './connections.ts'
import { shardsWereChanged } from './shards-changed.ts'

const tag = 'Operator'
const access = 'operator'
const collection = '/admin/v1/shards/{name}/replicas'
const path = `${collection}/{replica}`
const params = z.object({ name: z.string().max(64), replica: z.string().max(64) })
const exampleReplica = {
  name: 'r1',
  weight: 1,
  region: 'weur',
  state: 'active',
  connection: { kind: 'encrypted', key: 'k1' },
} as const

/** How long a new replica may take to replay what its shard has written, and the pause between two looks. */
const catchUpMs = 3000
const lookEveryMs = 50

const listReplicas = operation(
  defineOperation({
    id: 'listReplicas',
    method: 'get',
    path: collection,
    tag,
    summary: 'List the read replicas of a shard, and how far behind they are',
    description: 'Asks the shard and each replica.',
    access,
    params: params.pick({ name: true }),
    responses: { 200: replicasView },
    example: { response: { replicas: [{ ...exampleReplica, health: 'following', lagBytes: 0, lagMs: 0 }] } },
  }),
  async ({ c, params: { name } }) => {
    const config = loadConfig(c.env)
    const known = await shardsNow(config, platformOf(c.env))
    requireShard(known, name)
    const of = known.replicas[name] ?? []
    const checked = await checkReplicas(config, platformOf(c.env), name, of, requestDeadlineMs / 2)
    return {
      status: 200,
      body: { replicas: checked.map((each) => shownChecked(each.replica, each.checked)) },
    }
  },
)

const putReplica = operation(
  defineOperation({
    id: 'putReplica',
    method: 'put',
    path,
    tag,
    summary: 'Register a read replica of a shard, or replace its properties',
    description:
      'Connects to it. It must be a streaming replica of the shard, and have replayed what the shard has written. Old history and questions of operators are read there from then on, where it has replayed what the reader must see.',
    access,
    params,
    body: newReplica,
    responses: { 201: replicaView, 200: replicaView },
    errors: ['conflict'],
    example: {
      body: { connection: 'postgresql://parley_app:password@eu2-replica.example.com/parley', region: 'weur' },
      response: exampleReplica,
    },
  }),
  async ({ c, params: { name, replica }, body: { connection, secret, weight, region, state } }) => {
    const config = loadConfig(c.env)
    const known = await shardsNow(config, platformOf(c.env))
    const shard = requireShard(known, name)
    const isNew = known.replicas[name]?.every((each) => each.name !== replica) ?? true
    if (isNew) requireName(replica)
    const properties = {
      name: replica,
      connection: await storedConnection(config, replicaContext(name, replica), { connection, secret }),
      weight,
      state,
      ...(region === undefined ? {} : { region }),
    }
    await requireOtherDatabase(config, known, shard, properties)
    const stored = { ...properties, ...(await follow(c.env, config, name, properties)) }
    const set = await platformOf(c.env).putReplica(name, stored)
    if (set === undefined) return noSuchShard()
    await shardsWereChanged(c.env, accepted(set).version)
    const view = shownReplica(stored)
    return isNew ? { status: 201, body: view } : { status: 200, body: view }
  },
)

const changeReplica = operation(
  defineOperation({
    id: 'changeReplica',
    method: 'patch',
    path,
    tag,
    summary: 'Change the weight, region or state of a replica',
    description: 'Holds everywhere within ten seconds.',
    access,
    params,
    body: replicaChange,
    responses: { 200: replicaView },
    example: { body: { state: 'paused' }, response: { ...exampleReplica, state: 'paused' } },
  }),
  async ({ c, params: { name, replica }, body }) => {
    const version = await platformOf(c.env).changeReplica(name, replica, body)
    if (version === undefined) return noSuchReplica()
    await shardsWereChanged(c.env, version)
    const { replicas } = await shardsNow(loadConfig(c.env), platformOf(c.env))
    const found = replicas[name]?.find((each) => each.name === replica)
    return found === undefined ? noSuchReplica() : { status: 200, body: shownReplica(found) }
  },
)

const removeReplica = operation(
  defineOperation({
    id: 'removeReplica',
    method: 'delete',
    path,
    tag,
    summary: 'Remove a replica of a shard',
    description: 'Its database is left as it is. Holds everywhere within ten seconds.',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, params: { name, replica } }) => {
    const version = await platformOf(c.env).removeReplica(name, replica)
    if (version === undefined) return noSuchReplica()
    await shardsWereChanged(c.env, version)
    return { status: 204 }
  },
)

/** The operator's read replicas. No answer contains a connection string. */
export const replicas = [listReplicas, putReplica, changeReplica, removeReplica]

const noSuchShard = (): never => fail('not-found', 'name: no such shard')
const noSuchReplica = (): never => fail('not-found', 'name, replica: no such replica')

function requireShard({ shards }: KnownShards, name: string): StoredShard {
  return shards.find((each) => each.name === name) ?? noSuchShard()
}

function requireName(replica: string): void {
  const { error } = replicaName.safeParse(replica)
  if (error !== undefined) fail('invalid-request', `replica: ${error.issues[0]?.message ?? ''}`)
}

/** The shard itself, or the same replica under two names, which would be asked twice as often. */
async function requireOtherDatabase(
  config: Config,
  known: KnownShards,
  shard: StoredShard,
  replica: Pick<StoredReplica, 'name' | 'connection'>,
): Promise<void> {
  const own = await connectionOfReplica(config, shard.name, replica)
  if (isSameDatabase(own, await connectionOf(config, shard)))
    fail('conflict', `connection: this is the database of ${shard.name} itself`)
  for (const other of known.replicas[shard.name] ?? []) {
    if (other.name === replica.name) continue
    const theirs = await connectionOfReplica(config, shard.name, other).catch(() => undefined)
    if (theirs !== undefined && isSameDatabase(own, theirs))
      fail('conflict', `connection: this replica is registered already, as ${other.name}`)
  }
}

/**
 * Waits until a new replica has replayed all that its shard has written by now. Returns what is stored of that: the system, and
 * the position, which a replica at this address must always have.
 */
async function follow(
  env: Env,
  config: Config,
  shard: string,
  replica: Pick<StoredReplica, 'name' | 'connection'>,
): Promise<Pick<StoredReplica, 'system' | 'from'>> {
  const label = replicaLabel(shard, replica.name)
  const { system, position } = await fromDependency(
    shard,
    async () => describePrimary(await openShard(config, platformOf(env), shard, 'read', requestDeadlineMs)),
    env.request,
  )
  const database = connect(config, await connectionOfReplica(config, shard, replica), requestDeadlineMs)
  const end = readPosition(position)?.byte ?? Infinity
  for (const until = systemClock.now() + catchUpMs; ;) {
    const described = await answered(() => fromDependency(label, () => describeReplica(database), env.request))
    const foreign = foreignReason(described, system)
    if (foreign !== undefined) fail('conflict', `connection: ${foreign}`)
    if (described.replayed >= end) return { system, from: position }
    if (systemClock.now() >= until)
      fail(
        'conflict',
        `connection: the replica lacks ${end - described.replayed} bytes of what the shard has written; register it when it has caught up`,
      )
    await new Promise((again) => setTimeout(again, lookEveryMs))
  }
}

/** A replica as its operator sees it. */
export function shownReplica({ name, weight, region, state, connection }: StoredReplica): ReplicaView {
  return {
    name,
    weight,
    ...(region === undefined ? {} : { region }),
    state,
    connection: shownConnection(connection),
  }
}

const shownChecked = (replica: StoredReplica, checked: CheckedReplica): CheckedReplicaView => ({
  ...shownReplica(replica),
  ...checked,
})

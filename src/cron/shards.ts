import { platformOf } from '../../durable-objects/address.ts'
import type { Database } from '../adapters/neon/connect.ts'
import { openShard, shardsOf } from '../adapters/neon/shards.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { inLanes } from '../kernel/in-lanes.ts'

/** Shards that a scheduled task works on at one time. */
const shardsTogether = 4

/** Works on every shard that takes writes, a few at one time. `work` handles its own failures. */
export async function forEachShard(env: Env, work: (shard: string) => Promise<void>): Promise<void> {
  const { shards } = await shardsOf(loadConfig(env), platformOf(env))
  const writable = shards.filter(({ state }) => state !== 'read-only').map(({ name }) => name)
  await inLanes(shardsTogether, writable, work)
}

/** The database of a shard, for a task that writes. */
export const databaseOf = (env: Env, shard: string): Promise<Database> =>
  openShard(loadConfig(env), platformOf(env), shard, 'write')

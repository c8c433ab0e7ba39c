import { platformOf } from '../../durable-objects/address.ts'
import { connect } from '../adapters/neon/connect.ts'
import { createPartitions } from '../adapters/neon/create-partitions.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { monthsFrom } from './months.ts'

/** Months that always have their partition: this one and the next two, so that a month of failures does no harm. */
const monthsAhead = 3

/** The same, on shards whose partitions were not made yet, so that no shard is woken for nothing. */
export async function partitionsDue(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const platform = platformOf(env)
  const months = monthsFrom(now, monthsAhead)
  for (const { name } of config.shards) {
    if ((await platform.partitionsOf(name)) === months.join()) continue
    await createPartitions(connect(config, config.shardUrl(name)), months)
    await platform.notePartitions(name, months.join())
  }
}

/** Creates the message partitions of this and the next months on every shard. */
export async function partitions(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const months = monthsFrom(now, monthsAhead)
  await Promise.all(config.shards.map(({ name }) => createPartitions(connect(config, config.shardUrl(name)), months)))
}

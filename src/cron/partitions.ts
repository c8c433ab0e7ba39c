import { platformOf } from '../../durable-objects/address.ts'
import { DependencyError } from '../adapters/dependency.ts'
import { createPartitions } from '../adapters/neon/create-partitions.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { monthsFrom } from './months.ts'
import { databaseOf, forEachShard } from './shards.ts'

/** Months that always have their partition: this one and the next two, so that a month of failures does no harm. */
export const monthsAhead = 3

/** The same, on shards whose partitions were not made yet, so that no shard is woken for nothing. */
export async function partitionsDue(env: Env, now: number): Promise<void> {
  const platform = platformOf(env)
  const months = monthsFrom(now, monthsAhead)
  await forEachShard(env, async (shard) => {
    try {
      if ((await platform.partitionsOf(shard)) === months.join()) return
      await createPartitions(await databaseOf(env, shard), months)
      await platform.notePartitions(shard, months.join())
    } catch (thrown) {
      log.error('cron.partitions-failed', { shard, reason: reasonOf(thrown) })
    }
  })
}

/** Creates the message partitions of this and the next months on every shard. Throws a DependencyError when one failed. */
export async function partitions(env: Env, now: number): Promise<void> {
  const months = monthsFrom(now, monthsAhead)
  const failed: DependencyError[] = []
  await forEachShard(env, async (shard) => {
    try {
      await createPartitions(await databaseOf(env, shard), months)
    } catch (thrown) {
      log.error('cron.partitions-failed', { shard, reason: reasonOf(thrown) })
      failed.push(new DependencyError(shard, thrown))
    }
  })
  for (const failure of failed) throw failure
}

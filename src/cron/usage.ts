import { jobQueueOf, tenantOf } from '../../durable-objects/address.ts'
import { connect, type Database } from '../adapters/neon/connect.ts'
import { rollUpUsage, type Counted } from '../adapters/neon/usage.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { dayOf, midnightBefore } from '../kernel/day.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { placedOn } from './placed.ts'

/** Days counted anew: always yesterday, and once a day a whole week, for messages that reached Postgres late. */
const daysBack = (now: number): number => (new Date(now).getUTCHours() === 3 ? 7 : 1)

/** Writes what each tenant used today and lately to its own shard. Repeats and older counts change nothing. */
export async function usage(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const since = midnightBefore(now, daysBack(now))
  for (const { name } of config.shards) await rollUpShard(env, name, connect(config, config.shardUrl(name)), since)
}

/** A failure of one shard does not stop the others: its counts are written an hour later. */
async function rollUpShard(env: Env, name: string, shard: Database, since: number): Promise<void> {
  try {
    for await (const tenants of placedOn(shard)) await rollUp(env, shard, tenants, since)
  } catch (thrown) {
    log.error('cron.usage-failed', { shard: name, reason: reasonOf(thrown) })
  }
}

async function rollUp(env: Env, shard: Database, tenants: readonly string[], since: number): Promise<void> {
  const counted = await Promise.all(tenants.map((tenant) => countOf(env, tenant, dayOf(since))))
  await rollUpUsage(shard, tenants, since, counted.flat())
}

/** A failure of one tenant does not stop the others: it is asked again an hour later. */
async function countOf(env: Env, tenant: string, since: string): Promise<Counted[]> {
  try {
    const [peaks, jobs] = await Promise.all([tenantOf(env, tenant).connectionPeaks(), jobsOf(env, tenant, since)])
    const days = new Set([...Object.keys(peaks).filter((day) => day >= since), ...jobs.keys()])
    return [...days].map((day) => ({ tenant, day, jobs: jobs.get(day) ?? 0, connectionsPeak: peaks[day] ?? 0 }))
  } catch (thrown) {
    log.error('cron.usage-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

async function jobsOf(env: Env, tenant: string, since: string): Promise<Map<string, number>> {
  const names = await jobQueueOf(env, tenant, 'default').queueNames()
  const queues = await Promise.all(names.map((queue) => jobQueueOf(env, tenant, queue).acceptedSince(since)))
  const totals = new Map<string, number>()
  for (const queue of queues)
    for (const [day, jobs] of Object.entries(queue)) totals.set(day, (totals.get(day) ?? 0) + jobs)
  return totals
}

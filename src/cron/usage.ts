import { jobQueueOf, platformOf, tenantOf } from '../../durable-objects/address.ts'
import { connect, type Database } from '../adapters/neon/connect.ts'
import { rollUpUsage, type Counted } from '../adapters/neon/usage.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { dayOf, midnightBefore } from '../kernel/day.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { placedOn } from './placed.ts'

/** Once a day a whole week is counted anew, for messages that reached Postgres late. */
const isWeekly = (now: number): boolean => new Date(now).getUTCHours() === 3
const since = (now: number): number => midnightBefore(now, isWeekly(now) ? 7 : 1)

/** Writes what the tenants in use used today and lately to their shards. Repeats and older counts change nothing. */
export async function usageDue(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const tenants = await platformOf(env).tenantsToCount(now, isWeekly(now))
  const shards = await Promise.all(tenants.map((tenant) => shardOf(env, tenant)))
  for (const { name } of config.shards) {
    const placed = tenants.filter((_, index) => shards[index] === name)
    if (placed.length === 0) continue
    const counted = await rollUpShard(env, name, config.shardUrl(name), [placed], since(now))
    if (counted) await platformOf(env).tenantsCounted(placed, now)
  }
}

/** The same for every tenant of every shard; by hand. */
export async function usage(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  for (const { name } of config.shards) {
    const url = config.shardUrl(name)
    await rollUpShard(env, name, url, placedOn(connect(config, url)), since(now))
  }
}

async function shardOf(env: Env, tenant: string): Promise<string | undefined> {
  try {
    return (await tenantOf(env, tenant).placement())?.shard
  } catch (thrown) {
    log.error('cron.usage-failed', { tenant, reason: reasonOf(thrown) })
    return undefined
  }
}

/** A failure of one shard does not stop the others: its counts are written an hour later. */
async function rollUpShard(
  env: Env,
  name: string,
  url: string,
  pages: Iterable<readonly string[]> | AsyncIterable<readonly string[]>,
  from: number,
): Promise<boolean> {
  const shard = connect(loadConfig(env), url)
  try {
    for await (const tenants of pages) await rollUp(env, shard, tenants, from)
    return true
  } catch (thrown) {
    log.error('cron.usage-failed', { shard: name, reason: reasonOf(thrown) })
    return false
  }
}

async function rollUp(env: Env, shard: Database, tenants: readonly string[], from: number): Promise<void> {
  const counted = await Promise.all(tenants.map((tenant) => countOf(env, tenant, dayOf(from))))
  await rollUpUsage(shard, tenants, from, counted.flat())
}

/** A failure of one tenant does not stop the others: it is asked again an hour later. */
async function countOf(env: Env, tenant: string, from: string): Promise<Counted[]> {
  try {
    const [peaks, jobs] = await Promise.all([tenantOf(env, tenant).connectionPeaks(), jobsOf(env, tenant, from)])
    const days = new Set([...Object.keys(peaks).filter((day) => day >= from), ...jobs.keys()])
    return [...days].map((day) => ({ tenant, day, jobs: jobs.get(day) ?? 0, connectionsPeak: peaks[day] ?? 0 }))
  } catch (thrown) {
    log.error('cron.usage-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

async function jobsOf(env: Env, tenant: string, from: string): Promise<Map<string, number>> {
  const names = await jobQueueOf(env, tenant, 'default').queueNames()
  const queues = await Promise.all(names.map((queue) => jobQueueOf(env, tenant, queue).acceptedSince(from)))
  const totals = new Map<string, number>()
  for (const queue of queues)
    for (const [day, jobs] of Object.entries(queue)) totals.set(day, (totals.get(day) ?? 0) + jobs)
  return totals
}

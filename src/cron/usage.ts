import { jobQueueOf, platformOf, tenantOf } from '../../durable-objects/address.ts'
import type { CallsOfDay } from '../../durable-objects/contracts.ts'
import type { Database } from '../adapters/neon/connect.ts'
import { rollUpUsage, type Counted } from '../adapters/neon/usage.ts'
import type { Env } from '../env.ts'
import { dayOf, midnightBefore } from '../kernel/day.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { placedOn } from './placed.ts'
import { databaseOf, forEachShard } from './shards.ts'

/** Once a day a whole week is counted anew, for messages that reached Postgres late. */
const isWeekly = (now: number): boolean => new Date(now).getUTCHours() === 3
const since = (now: number): number => midnightBefore(now, isWeekly(now) ? 7 : 1)

/** Writes what the tenants in use used today and lately to their shards. Repeats and older counts change nothing. */
export async function usageDue(env: Env, now: number): Promise<void> {
  const tenants = await platformOf(env).tenantsToCount(now, isWeekly(now))
  if (tenants.length === 0) return
  const shards = await Promise.all(tenants.map((tenant) => shardOf(env, tenant)))
  const byShard = Map.groupBy(tenants, (_, index) => shards[index])
  await forEachShard(env, async (shard) => {
    const placed = byShard.get(shard)
    if (placed === undefined) return
    if (await rollUpShard(env, shard, () => [placed], since(now))) await platformOf(env).tenantsCounted(placed, now)
  })
}

/** The same for every tenant of every shard; by hand. */
export async function usage(env: Env, now: number): Promise<void> {
  await forEachShard(env, async (shard) => void (await rollUpShard(env, shard, placedOn, since(now))))
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
  pagesOf: (shard: Database) => Iterable<readonly string[]> | AsyncIterable<readonly string[]>,
  from: number,
): Promise<boolean> {
  try {
    const shard = await databaseOf(env, name)
    for await (const tenants of pagesOf(shard)) await rollUp(env, shard, tenants, from)
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
    const [peaks, calls, jobs] = await Promise.all([
      tenantOf(env, tenant).connectionPeaks(),
      callsOf(env, tenant),
      jobsOf(env, tenant, from),
    ])
    const days = new Set([...Object.keys({ ...peaks, ...calls }).filter((day) => day >= from), ...jobs.keys()])
    return [...days].map((day) => ({
      tenant,
      day,
      jobs: jobs.get(day) ?? 0,
      connectionsPeak: peaks[day] ?? 0,
      requests: calls[day]?.requests ?? 0,
      commands: calls[day]?.commands ?? 0,
    }))
  } catch (thrown) {
    log.error('cron.usage-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

/** The actor of a tenant may still be of the version that counts no calls. */
async function callsOf(env: Env, tenant: string): Promise<Readonly<Record<string, CallsOfDay | undefined>>> {
  try {
    return await tenantOf(env, tenant).callsByDay()
  } catch (thrown) {
    log.warn('cron.usage-without-calls', { tenant, reason: reasonOf(thrown) })
    return {}
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

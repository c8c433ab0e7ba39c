import { fillSearch, selectUnfilled, type UnfilledTenant } from '../adapters/neon/fill-search.ts'
import type { Database } from '../adapters/neon/connect.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { placedOn } from './placed.ts'
import { databaseOf, forEachShard } from './shards.ts'

/** Steps of a few hundred entries for one tenant in one run. */
const maxSteps = 2000

/** The clock starts nothing, so that no shard is woken: the searches of a tenant go on with its own messages. */
export const fillNothing = async (): Promise<void> => undefined

/**
 * By hand: adds messages to the search that were written before there was one, or before their tenant chose its language. Each step is a
 * transaction that notes how far it is, so the work may be interrupted anywhere and goes on the next time.
 */
export async function fillSearches(env: Env): Promise<void> {
  await forEachShard(env, (shard) => fillShard(env, shard))
}

async function fillShard(env: Env, name: string): Promise<void> {
  let entries = 0
  try {
    const shard = await databaseOf(env, name)
    for await (const tenants of placedOn(shard))
      for (const tenant of await selectUnfilled(shard, tenants)) entries += await fillTenant(shard, tenant)
    if (entries > 0) log.info('cron.search-filled', { shard: name, entries })
  } catch (thrown) {
    log.error('cron.search-failed', { shard: name, entries, reason: reasonOf(thrown) })
  }
}

/** A failure of one tenant does not stop the others: it may be moving. Returns the entries that were read. */
async function fillTenant(shard: Database, of: UnfilledTenant): Promise<number> {
  let entries = 0
  try {
    for (let step = 0; step < maxSteps; step++) {
      const { read, isDone } = await fillSearch(shard, of)
      entries += read
      if (isDone) break
    }
  } catch (thrown) {
    log.error('cron.search-failed', { tenant: of.tenant, reason: reasonOf(thrown) })
  }
  return entries
}

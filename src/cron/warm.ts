import { cacheEpochsOf } from '../../durable-objects/address.ts'
import { loadConfig } from '../config.ts'
import { warmTenant } from '../edge/identity/tenants.ts'
import type { Env } from '../env.ts'
import { systemClock } from '../kernel/clock.ts'
import { inLanes } from '../kernel/in-lanes.ts'
import { log, reasonOf } from '../kernel/log.ts'

/** Records that are loaded at one time, and for how long the task begins further ones. */
const loadedTogether = 4
const lastsMs = 60_000

/**
 * Loads the tenant records that processes read in the last five minutes again, and puts them into Redis before they expire. A
 * tenant that was not used is not called.
 */
export async function warm(env: Env): Promise<void> {
  if (loadConfig(env).redis === undefined) return
  const tenants = await cacheEpochsOf(env).takeRecent()
  const until = systemClock.now() + lastsMs
  await inLanes(loadedTogether, tenants, async (tenant) => {
    if (systemClock.now() >= until) return
    try {
      await warmTenant(env, tenant)
    } catch (thrown) {
      log.warn('cron.warm-failed', { tenant, reason: reasonOf(thrown) })
    }
  })
}

import { tenantOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { tenantPages } from './sweep.ts'

/** Has every tenant write its placement to Postgres once more, in case a database has lost it. */
export async function placements(env: Env): Promise<void> {
  for await (const tenants of tenantPages(env)) await Promise.all(tenants.map((tenant) => retell(env, tenant)))
}

async function retell(env: Env, tenant: string): Promise<void> {
  try {
    await tenantOf(env, tenant).retell()
  } catch (thrown) {
    log.error('cron.placement-failed', { tenant, reason: reasonOf(thrown) })
  }
}

import { platformOf, tenantOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { tenantPages } from './queues.ts'

const dayMs = 86_400_000

/**
 * Has the tenants that were used in the last day write their placement to Postgres once more. For the others that happens
 * when they are used again: a conversation whose shard does not know its tenant has it written.
 */
export async function placementsDue(env: Env, now: number): Promise<void> {
  const tenants = await platformOf(env).tenantsUsedSince(now - dayMs)
  await Promise.all(tenants.map((tenant) => retell(env, tenant)))
}

/** Has every tenant write its placement to Postgres once more, in case a database has lost it; by hand. */
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

import { jobQueueOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import { log } from '../kernel/log.ts'
import { tenantPages } from './sweep.ts'

/** Says once a day, queue by queue, what lies dead and what the newest of them died of. */
export async function failures(env: Env): Promise<void> {
  for await (const tenants of tenantPages(env)) await Promise.all(tenants.map((tenant) => report(env, tenant)))
}

async function report(env: Env, tenant: string): Promise<void> {
  const names = await jobQueueOf(env, tenant, 'default').queueNames()
  for (const queue of names) {
    const ledger = jobQueueOf(env, tenant, queue)
    const { counts } = await ledger.stats()
    if (counts.dead === 0) continue
    const newest = (await ledger.list('dead', undefined, 1)).jobs[0]
    log.warn('jobs.failures', {
      tenant,
      queue,
      dead: counts.dead,
      failed: counts.failed,
      type: newest?.type,
      why: newest?.note,
    })
  }
}

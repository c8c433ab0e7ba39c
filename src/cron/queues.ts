import { jobQueueOf, platformOf } from '../../durable-objects/address.ts'
import { connect } from '../adapters/neon/connect.ts'
import { selectTenants } from '../adapters/neon/select-tenants.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'

const page = 100

/** Puts every queue of every tenant of the directory on the platform's list, from which scheduled tasks visit them. */
export async function listAllQueues(env: Env, alsoNote?: (tenants: readonly string[]) => Promise<void>): Promise<void> {
  for await (const tenants of tenantPages(env)) {
    const queues = await Promise.all(tenants.map((tenant) => queuesOf(env, tenant)))
    await platformOf(env).noteQueues(queues.flat())
    await alsoNote?.(tenants)
  }
}

/** Every tenant of the directory, page by page. */
export async function* tenantPages(env: Env): AsyncGenerator<readonly string[]> {
  const config = loadConfig(env)
  const directory = connect(config, config.directoryUrl)
  let tenants = await selectTenants(directory, '', page)
  while (tenants.length > 0) {
    yield tenants
    tenants = await selectTenants(directory, tenants.at(-1) ?? '', page)
  }
}

/** A failure of one tenant does not stop the others. */
async function queuesOf(env: Env, tenant: string): Promise<{ tenant: string; queue: string }[]> {
  try {
    const names = await jobQueueOf(env, tenant, 'default').queueNames()
    return names.map((queue) => ({ tenant, queue }))
  } catch (thrown) {
    log.error('cron.queues-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

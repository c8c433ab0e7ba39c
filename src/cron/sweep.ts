import { jobQueueOf, tenantOf } from '../../durable-objects/address.ts'
import { connect } from '../adapters/neon/connect.ts'
import { selectTenants } from '../adapters/neon/select-tenants.ts'
import { openCache } from '../adapters/upstash/cache.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { QueueFigures } from '../jobs/figures.ts'
import { log, reasonOf } from '../kernel/log.ts'

const page = 100
/** Where the figures of all queues are kept between two sweeps. Redis lost is figures lost, nothing more. */
export const figuresKey = 'jobs:figures'
const figuresSeconds = 900
const mostFigures = 1000

/** Sweeps what is left over, tenant by tenant: old finished jobs, work that got stuck, placements Postgres lost. */
export async function sweep(env: Env): Promise<void> {
  const figures: QueueFigures[] = []
  for await (const tenants of tenantPages(env)) {
    const swept = await Promise.all(tenants.map((tenant) => sweepTenant(env, tenant)))
    figures.push(...swept.flat())
  }
  const busiest = figures.sort((a, b) => weight(b) - weight(a)).slice(0, mostFigures)
  await openCache(loadConfig(env)).set(figuresKey, busiest, figuresSeconds)
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

/** One tenant's trouble is not another's: what fails is said and left for the next sweep. */
async function sweepTenant(env: Env, tenant: string): Promise<QueueFigures[]> {
  try {
    await tenantOf(env, tenant).retell()
    return await sweepQueues(env, tenant)
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, why: reasonOf(thrown) })
    return []
  }
}

async function sweepQueues(env: Env, tenant: string): Promise<QueueFigures[]> {
  const names = await jobQueueOf(env, tenant, 'default').queueNames()
  return Promise.all(
    names.map(async (queue) => {
      const { counts, oldestMs, tallies } = await jobQueueOf(env, tenant, queue).sweep()
      return { tenant, queue, counts, oldestMs, tallies }
    }),
  )
}

const weight = ({ counts, oldestMs }: QueueFigures): number =>
  counts.dead * 1000 + counts.waiting + counts.active + counts.delayed + oldestMs / 1000

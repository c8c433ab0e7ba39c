import { gatewayNamed, gatewayNames, jobQueueOf, tenantOf } from '../../durable-objects/address.ts'
import { connect } from '../adapters/neon/connect.ts'
import { selectTenants } from '../adapters/neon/select-tenants.ts'
import { openCache } from '../adapters/upstash/cache.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { QueueMetrics } from '../jobs/metrics/queue-metrics.ts'
import { log, reasonOf } from '../kernel/log.ts'

const page = 100
/** Where the figures of all queues are kept between two sweeps. When Redis loses them, only figures are lost. */
export const figuresKey = 'jobs:figures'
const figuresSeconds = 900
const maxFigures = 1000
/** A job that could have started and waits for longer is reported as stuck. */
const stuckMs = 15 * 60_000

/** Cleans up, tenant by tenant: old finished jobs, work that got stuck. Notes the state of all of it. */
export async function sweep(env: Env): Promise<void> {
  const figures: QueueMetrics[] = []
  const connections = await connectionsNow(env)
  for await (const tenants of tenantPages(env)) {
    const swept = await Promise.all(tenants.map((tenant) => sweepTenant(env, tenant, connections.get(tenant) ?? 0)))
    figures.push(...swept.flat())
  }
  const busiest = figures.sort((a, b) => weight(b) - weight(a)).slice(0, maxFigures)
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

/** Open connections of every tenant, over all gateways that answer. */
async function connectionsNow(env: Env): Promise<Map<string, number>> {
  const totals = new Map<string, number>()
  for (const name of gatewayNames(loadConfig(env)))
    for (const [tenant, connections] of Object.entries(await connectionsAt(env, name)))
      totals.set(tenant, (totals.get(tenant) ?? 0) + connections)
  return totals
}

async function connectionsAt(env: Env, gateway: string): Promise<Readonly<Record<string, number>>> {
  try {
    return await gatewayNamed(env, gateway).connections()
  } catch (thrown) {
    log.error('cron.sweep-failed', { gateway, reason: reasonOf(thrown) })
    return {}
  }
}

/** A failure of one tenant, queue or gateway does not stop the others: it is logged and left for the next sweep. */
async function sweepTenant(env: Env, tenant: string, connections: number): Promise<QueueMetrics[]> {
  try {
    if (connections > 0) await tenantOf(env, tenant).noteConnections(connections)
    return await sweepQueues(env, tenant)
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

async function sweepQueues(env: Env, tenant: string): Promise<QueueMetrics[]> {
  const names = await jobQueueOf(env, tenant, 'default').queueNames()
  const swept = await Promise.all(names.map((queue) => sweepQueue(env, tenant, queue)))
  return swept.flat()
}

async function sweepQueue(env: Env, tenant: string, queue: string): Promise<QueueMetrics[]> {
  try {
    const { counts, oldestMs, policy, tallies } = await jobQueueOf(env, tenant, queue).sweep()
    if (oldestMs > stuckMs && !policy.paused) log.warn('jobs.stuck', { tenant, queue, oldestMs, ...counts })
    return [{ tenant, queue, counts, oldestMs, tallies }]
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, queue, reason: reasonOf(thrown) })
    return []
  }
}

const weight = ({ counts, oldestMs }: QueueMetrics): number =>
  counts.dead * 1000 + counts.waiting + counts.active + counts.delayed + oldestMs / 1000

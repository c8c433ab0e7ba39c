import { gatewayNamed, jobQueueOf, platformOf, tenantOf } from '../../durable-objects/address.ts'
import { whenPlaceIsFree } from '../../durable-objects/open-actors.ts'
import { connect } from '../adapters/neon/connect.ts'
import { selectTenants } from '../adapters/neon/select-tenants.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { DueQueue, SweptQueue, UsedGateway } from '../events/due.ts'
import type { QueueMetrics } from '../jobs/metrics/queue-metrics.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { gatewayNames } from '../realtime/gateway-names.ts'

const page = 100
/** A job that could have started and waits for longer is reported as stuck. */
const stuckMs = 15 * 60_000

/**
 * Visits the queues and gateways that are on the platform's list: removes old finished jobs, starts work that got stuck,
 * notes the figures of queues and the connections of tenants. What is not used is not on the list and costs nothing.
 */
export async function sweepDue(env: Env, now: number): Promise<void> {
  const platform = platformOf(env)
  if (!(await platform.isDueListComplete())) await listAll(env)
  await countConnections(env, await platform.usedGateways())
  let due: DueQueue[] = []
  let last = { tenant: '', queue: '' }
  do {
    due = await platform.dueQueues(now, last, page)
    await sweepQueues(env, due)
    last = due.at(-1) ?? last
  } while (due.length === page)
}

/** The same for every gateway, and every queue of every tenant of the directory; by hand. */
export async function sweep(env: Env): Promise<void> {
  await countConnections(
    env,
    gatewayNames(loadConfig(env)).map((gateway) => ({ gateway, turn: 0 })),
  )
  for await (const tenants of tenantPages(env)) {
    const queues = await queuesOf(env, tenants)
    await sweepQueues(
      env,
      queues.map((each) => ({ ...each, turn: 0 })),
    )
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

/** Once: lists the queues and tenants of versions that kept no list. A failure is repeated by the next sweep. */
async function listAll(env: Env): Promise<void> {
  try {
    for await (const tenants of tenantPages(env)) {
      await platformOf(env).noteQueues(await queuesOf(env, tenants))
      await platformOf(env).noteUse(tenants)
    }
    await platformOf(env).completeDueList()
  } catch (thrown) {
    log.error('cron.listing-failed', { reason: reasonOf(thrown) })
  }
}

async function queuesOf(env: Env, tenants: readonly string[]): Promise<{ tenant: string; queue: string }[]> {
  const named = await Promise.all(tenants.map((tenant) => namesOf(env, tenant)))
  return named.flat()
}

/** A failure of one tenant, queue or gateway does not stop the others: it is logged and left for the next sweep. */
async function namesOf(env: Env, tenant: string): Promise<{ tenant: string; queue: string }[]> {
  try {
    const names = await jobQueueOf(env, tenant, 'default').queueNames()
    return names.map((queue) => ({ tenant, queue }))
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, reason: reasonOf(thrown) })
    return []
  }
}

/** Notes the open connections of every tenant that has some, over all gateways that answer. */
async function countConnections(env: Env, gateways: readonly UsedGateway[]): Promise<void> {
  const totals = new Map<string, number>()
  for (const gateway of gateways)
    for (const [tenant, connections] of Object.entries(await connectionsAt(env, gateway)))
      totals.set(tenant, (totals.get(tenant) ?? 0) + connections)
  await Promise.all([...totals].map(([tenant, connections]) => noteConnections(env, tenant, connections)))
  if (totals.size > 0) await platformOf(env).noteUse([...totals.keys()])
}

async function connectionsAt(env: Env, gateway: UsedGateway): Promise<Readonly<Record<string, number>>> {
  try {
    const connections = await gatewayNamed(env, gateway.gateway).connections()
    if (Object.keys(connections).length === 0) await platformOf(env).gatewayUnused(gateway)
    return connections
  } catch (thrown) {
    log.error('cron.sweep-failed', { gateway: gateway.gateway, reason: reasonOf(thrown) })
    return {}
  }
}

async function noteConnections(env: Env, tenant: string, connections: number): Promise<void> {
  try {
    await tenantOf(env, tenant).noteConnections(connections)
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, reason: reasonOf(thrown) })
  }
}

async function sweepQueues(env: Env, queues: readonly DueQueue[]): Promise<void> {
  if (queues.length === 0) return
  const swept = (await Promise.all(queues.map((queue) => sweepQueue(env, queue)))).flat()
  await platformOf(env).queuesSwept(swept)
  await platformOf(env).noteUse([...new Set(swept.map(({ tenant }) => tenant))])
}

/** Waits until the process may open the queue. */
async function sweepOf(env: Env, tenant: string, queue: string) {
  await whenPlaceIsFree(env)
  return await jobQueueOf(env, tenant, queue).sweep()
}

async function sweepQueue(env: Env, { tenant, queue, turn }: DueQueue): Promise<SweptQueue[]> {
  try {
    const { counts, oldestMs, policy, tallies, nextAt } = await sweepOf(env, tenant, queue)
    if (oldestMs > stuckMs && !policy.paused) log.warn('jobs.stuck', { tenant, queue, oldestMs, ...counts })
    const figures: QueueMetrics = { tenant, queue, counts, oldestMs, tallies }
    return [{ tenant, queue, turn, at: nextAt, figures: JSON.stringify(figures), hasDead: counts.dead > 0 }]
  } catch (thrown) {
    log.error('cron.sweep-failed', { tenant, queue, reason: reasonOf(thrown) })
    return []
  }
}

import { gatewayNamed, platformOf, tenantOf } from '../../durable-objects/address.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { UsedGateway } from '../events/due.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { gatewayNames } from '../realtime/gateway-names.ts'
import { listAllQueues } from './queues.ts'

/** Notes the connections of the tenants at the gateways that are on the platform's list. */
export async function countConnectionsDue(env: Env): Promise<void> {
  const platform = platformOf(env)
  if (!(await platform.isDueListComplete())) await completeList(env)
  await countConnections(env, await platform.usedGateways())
}

/** The same for every gateway; by hand. */
export async function countAllConnections(env: Env): Promise<void> {
  const names = gatewayNames(loadConfig(env))
  await countConnections(
    env,
    names.map((gateway) => ({ gateway, turn: 0 })),
  )
}

/** Once: lists the queues and tenants of versions that kept no list. A failure is repeated the next time. */
async function completeList(env: Env): Promise<void> {
  try {
    await listAllQueues(env, (tenants) => platformOf(env).noteUse(tenants))
    await platformOf(env).completeDueList()
  } catch (thrown) {
    log.error('cron.listing-failed', { reason: reasonOf(thrown) })
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
    log.error('cron.connections-failed', { gateway: gateway.gateway, reason: reasonOf(thrown) })
    return {}
  }
}

async function noteConnections(env: Env, tenant: string, connections: number): Promise<void> {
  try {
    await tenantOf(env, tenant).noteConnections(connections)
  } catch (thrown) {
    log.error('cron.connections-failed', { tenant, reason: reasonOf(thrown) })
  }
}

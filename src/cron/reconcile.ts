import { jobQueueOf } from '../../durable-objects/address.ts'
import { deleteDeadVisits, readDeadVisits } from '../adapters/qstash/carrier.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { log } from '../kernel/log.ts'

const mostPages = 20

/**
 * Takes over what ended in QStash's own dead letter queue. A visit that was given up is told to its ledger, which
 * sends for another if there is work; the callback that should have said so may have been given up as well.
 */
export async function reconcile(env: Env): Promise<void> {
  const config = loadConfig(env)
  if (config.qstash === undefined) return
  let lost = 0
  for (let page = 0; page < mostPages; page++) {
    const visits = await readDeadVisits(config)
    if (visits.length === 0) break
    for (const { visit } of visits)
      if (visit !== undefined) await jobQueueOf(env, visit.tenant, visit.queue).lost(visit.visit)
    await deleteDeadVisits(
      config,
      visits.map(({ dlqId }) => dlqId),
    )
    lost += visits.length
  }
  if (lost > 0) log.warn('jobs.visits-reconciled', { lost })
}

import { jobQueueOf, platformOf } from '../../durable-objects/address.ts'
import { deleteDeadRuns, readDeadRuns } from '../adapters/qstash/client.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { WorkerRunReference } from '../jobs/queue/worker-runs.ts'
import { log, reasonOf } from '../kernel/log.ts'

const maxPages = 20

/** The same while any queue has jobs: without jobs there are no runs that could be lost. */
export async function reconcileDue(env: Env, now: number): Promise<void> {
  if (await platformOf(env).hasDueQueues(now)) await reconcile(env)
}

/**
 * Takes over the messages in QStash's own dead letter queue. The queue of a lost run is notified, and requests another if
 * there is work; the failure callback that should have said so may have been lost as well.
 */
export async function reconcile(env: Env): Promise<void> {
  const config = loadConfig(env)
  if (config.qstash === undefined) return
  let lost = 0
  for (let page = 0; page < maxPages; page++) {
    const runs = await readDeadRuns(config)
    if (runs.length === 0) break
    for (const { run } of runs) if (run !== undefined) await tell(env, run)
    await deleteDeadRuns(
      config,
      runs.map(({ dlqId }) => dlqId),
    )
    lost += runs.length
  }
  if (lost > 0) log.warn('jobs.runs-reconciled', { lost })
}

/**
 * A queue that cannot be notified finds out by itself, half a minute after the time of the run; it must not hold up the
 * others.
 */
async function tell(env: Env, { tenant, queue, run }: WorkerRunReference): Promise<void> {
  try {
    await jobQueueOf(env, tenant, queue).runLost(run)
  } catch (thrown) {
    log.error('cron.reconcile-failed', { tenant, queue, reason: reasonOf(thrown) })
  }
}

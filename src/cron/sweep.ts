import { jobQueueOf, platformOf } from '../../durable-objects/address.ts'
import { whenPlaceIsFree } from '../../durable-objects/open-actors.ts'
import type { Env } from '../env.ts'
import type { DueQueue, SweptQueue } from '../events/due.ts'
import type { QueueMetrics } from '../jobs/metrics/queue-metrics.ts'
import { log, reasonOf } from '../kernel/log.ts'

const page = 100
/** A job that could have started and waits for longer is reported as stuck. */
const stuckMs = 15 * 60_000

/**
 * Visits the queues that are on the platform's list: removes old finished jobs, starts work that got stuck, notes their
 * figures. A queue that is not used is not on the list and costs nothing.
 */
export async function sweepDue(env: Env, now: number): Promise<void> {
  for await (const queues of dueQueues(env, now)) await sweepQueues(env, queues)
}

/** The same for every queue that the list has; by hand, when all queues were put on it before. */
export async function sweep(env: Env): Promise<void> {
  await sweepDue(env, Number.MAX_SAFE_INTEGER)
}

/** The queues that are due at `now`, page by page. */
export async function* dueQueues(env: Env, now: number): AsyncGenerator<readonly DueQueue[]> {
  let due: DueQueue[] = []
  let last = { tenant: '', queue: '' }
  do {
    due = await platformOf(env).dueQueues(now, last, page)
    yield due
    last = due.at(-1) ?? last
  } while (due.length === page)
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

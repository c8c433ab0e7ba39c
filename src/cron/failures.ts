import { jobQueueOf, platformOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { dueQueues } from './sweep.ts'

/** The same for the queues that held dead jobs at their last sweep. */
export async function failuresDue(env: Env): Promise<void> {
  const queues = await platformOf(env).queuesWithDead()
  await Promise.all(queues.map(({ tenant, queue }) => reportQueue(env, tenant, queue)))
}

/** Logs once a day, queue by queue, how many jobs are dead and why the newest of them died. */
export async function failures(env: Env): Promise<void> {
  for await (const queues of dueQueues(env, Number.MAX_SAFE_INTEGER))
    await Promise.all(queues.map(({ tenant, queue }) => reportQueue(env, tenant, queue)))
}

/** A failure of one queue does not stop the others: it is logged, and the queue is asked again the next day. */
async function reportQueue(env: Env, tenant: string, queue: string): Promise<void> {
  try {
    const jobQueue = jobQueueOf(env, tenant, queue)
    const { counts } = await jobQueue.stats()
    if (counts.dead === 0) return
    const newest = (await jobQueue.list('dead', undefined, 1)).jobs[0]
    const { dead, failed } = counts
    log.warn('jobs.failures', { tenant, queue, dead, failed, type: newest?.type, reason: newest?.note })
  } catch (thrown) {
    log.error('cron.failures-failed', { tenant, queue, reason: reasonOf(thrown) })
  }
}

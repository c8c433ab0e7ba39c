import { z } from 'zod'
import { openCache } from '../../../adapters/upstash/cache.ts'
import { loadConfig } from '../../../config.ts'
import { figuresKey } from '../../../cron/sweep.ts'
import type { Env } from '../../../env.ts'
import type { QueueMetrics } from '../../../jobs/metrics/queue-metrics.ts'
import { jobStates } from '../../../jobs/model/phase.ts'
import { storedTallies } from '../../../jobs/metrics/job-metrics.ts'

const count = z.number().default(0)

/** The metrics of queues, as the sweep stores them. */
export const queueMetricsList = z.array(
  z.object({
    tenant: z.string(),
    queue: z.string(),
    counts: z.record(z.enum(jobStates), count),
    oldestMs: count,
    tallies: storedTallies,
  }),
)

/** The state of all queues at the last sweep; empty while Redis is away or before the first sweep. */
export async function queueMetrics(env: Env): Promise<readonly QueueMetrics[]> {
  const read = queueMetricsList.safeParse(await openCache(loadConfig(env)).get(figuresKey))
  return read.success ? read.data : []
}

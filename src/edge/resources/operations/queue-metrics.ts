import { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import type { Env } from '../../../env.ts'
import type { QueueMetrics } from '../../../jobs/metrics/queue-metrics.ts'
import { jobStates } from '../../../jobs/model/phase.ts'
import { storedTallies } from '../../../jobs/metrics/job-metrics.ts'

const count = z.number().default(0)

/** The metrics of queues, as the sweep stores them. */
const queueMetricsEntry = z.object({
  tenant: z.string(),
  queue: z.string(),
  counts: z.record(z.enum(jobStates), count),
  oldestMs: count,
  tallies: storedTallies,
})
export const queueMetricsList = z.array(queueMetricsEntry)

/** The state of queues at their last sweep, those in use first; empty before the first sweep. */
export async function queueMetrics(env: Env): Promise<readonly QueueMetrics[]> {
  const figures = await platformOf(env).queueFigures()
  return figures.flatMap((text) => {
    const read = queueMetricsEntry.safeParse(JSON.parse(text))
    return read.success ? [read.data] : []
  })
}

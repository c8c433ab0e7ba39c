import { callContext, workerOf } from '../../../adapters/contexts.ts'
import { leavingContexts } from '../../../contexts.ts'
import type { Env } from '../../../env.ts'
import type { MetricFamily } from '../../../kernel/exposition.ts'
import { notificationFamilies } from '../../../notifications/channels/figures.ts'
import { requestLoad } from '../../middleware/shed-requests.ts'
import { limitFamilies } from '../../rate-limits/limit-metrics.ts'
import { decider } from '../../rate-limits/request-limits.ts'
import { breakerFamilies } from './breakers.ts'
import { cacheFamilies } from './cache-metrics.ts'
import { eventFamilies } from './event-metrics.ts'

/** What a process counts by itself, for the main Worker to show. */
export const processFamilies = (): MetricFamily[] => [
  {
    name: 'parley_shed_total',
    type: 'counter',
    help: 'Work dropped because there was too much to do, by priority.',
    samples: Object.entries(requestLoad.figures).map(([priority, value]) => ({
      labels: { holder: 'edge', priority },
      value,
    })),
  },
  ...limitFamilies([{ holder: 'edge', tallies: decider.holder.counters.all() }]),
  ...cacheFamilies(),
  ...eventFamilies(),
  ...notificationFamilies(),
  ...breakerFamilies([]),
]

const deadlineMs = 2000

/** Whether the Workers of contexts answer, and what they count, each sample with its `context`. */
export async function contextFamilies(env: Env): Promise<MetricFamily[]> {
  const asked = await Promise.all(
    leavingContexts.flatMap((context) => {
      const worker = workerOf(env, context)
      if (worker === undefined) return []
      const call = { deadlineMs, isRepeatable: false }
      const figures = callContext(env, context, call, () => worker.figures()).catch(() => undefined)
      return figures.then((families) => ({ context, families }))
    }),
  )
  const up: MetricFamily = {
    name: 'parley_context_up',
    type: 'gauge',
    help: 'Whether the Worker of a context answered with its figures (1) or did not answer (0).',
    samples: asked.map(({ context, families }) => ({ labels: { context }, value: families === undefined ? 0 : 1 })),
  }
  const labelled = asked.flatMap(({ context, families = [] }) =>
    families.map((family) => ({
      ...family,
      samples: family.samples.map((sample) => ({ ...sample, labels: { ...sample.labels, context } })),
    })),
  )
  return [up, ...labelled]
}

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { jobFamilies, queueFamilies, type QueueMetrics } from '../../src/jobs/metrics/queue-metrics.ts'
import { expositionText } from '../../src/kernel/exposition.ts'
import { bucketsMs } from '../../src/jobs/metrics/job-metrics.ts'
import { jobStates } from '../../src/jobs/model/phase.ts'
import { expositionFaults } from '../support/exposition.ts'

const counts = fc.record(Object.fromEntries(jobStates.map((state) => [state, fc.nat()])))
const figures: fc.Arbitrary<QueueMetrics> = fc.record({
  tenant: fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?$/),
  queue: fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
  counts: counts.map((of) => ({ waiting: 0, delayed: 0, active: 0, done: 0, failed: 0, dead: 0, cancelled: 0, ...of })),
  oldestMs: fc.nat(),
  tallies: fc.array(
    fc.record({
      type: fc.constantFrom('http', 'join', 'deliver-message'),
      attempts: fc.nat(),
      totalMs: fc.nat(),
      buckets: fc.array(fc.nat(), { minLength: bucketsMs.length + 1, maxLength: bucketsMs.length + 1 }),
      ended: counts,
    }),
    { maxLength: 3 },
  ),
})

/** A queue has one tally for each type of job. */
const distinct = ({ tallies }: QueueMetrics) => [...new Map(tallies.map((tally) => [tally.type, tally])).values()]

test('whatever queues are called and however jobs went, the figures are a text that Prometheus reads', () => {
  fc.assert(
    fc.property(fc.array(figures, { maxLength: 5 }), (some) => {
      const all = some.map((one, place) => ({ ...one, tenant: `${one.tenant}${place}`, tallies: distinct(one) }))
      expect(expositionFaults(expositionText(jobFamilies(all)))).toEqual([])
      expect(expositionFaults(expositionText(queueFamilies(all)))).toEqual([])
    }),
  )
})

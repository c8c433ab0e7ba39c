import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { metricLines, queueLines, type QueueFigures } from '../../src/jobs/figures.ts'
import { bucketsMs } from '../../src/jobs/meter.ts'
import { jobStates } from '../../src/jobs/phase.ts'

// Prometheus text exposition format 0.0.4: name, labels in quotes, a Go float.
const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"`
const line = new RegExp(
  String.raw`^[a-zA-Z_:][\w:]*(?:\{${label}(?:,${label})*\})? (?:[+-]?Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$`,
)

const counts = fc.record(Object.fromEntries(jobStates.map((state) => [state, fc.nat()])))
const figures: fc.Arbitrary<QueueFigures> = fc.record({
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

test('whatever queues are called and however jobs went, every line is one that Prometheus reads', () => {
  fc.assert(
    fc.property(fc.array(figures, { maxLength: 5 }), (all) => {
      for (const one of [...metricLines(all), ...queueLines(all)]) expect(one).toMatch(line)
    }),
  )
})

import { expect, test } from 'vitest'
import { alertRules } from '../../src/jobs/alerts.ts'
import { metricLines, type QueueFigures } from '../../src/jobs/figures.ts'
import { Meter } from '../../src/jobs/meter.ts'
import { OneQueue } from './support/one-queue.ts'

const none = { waiting: 0, delayed: 0, active: 0, done: 0, failed: 0, dead: 0, cancelled: 0 }

function figuresOf(tenant: string, durationsMs: readonly number[]): QueueFigures {
  const meter = new Meter()
  const world = new OneQueue()
  world.add('a')
  world.take()
  world.done('a')
  const job = world.books.get('a')
  for (const ms of durationsMs) if (job !== undefined) meter.attempt(job, ms)
  return { tenant, queue: 'q', counts: { ...none, waiting: 2, dead: 1 }, oldestMs: 5000, tallies: meter.tallies() }
}

test('figures of all queues are added up, and name no tenant', () => {
  const lines = metricLines([figuresOf('acme', [2, 2, 2, 2]), figuresOf('globex', [2, 2, 2, 2, 2, 9000])])
  expect(lines).toContain('parley_jobs{state="waiting"} 4')
  expect(lines).toContain('parley_jobs_oldest_waiting_seconds 5')
  expect(lines).toContain('parley_job_attempts_total{type="test"} 10')
  expect(lines).toContain('parley_jobs_ended_total{type="test",state="done"} 10')
  expect(lines).toContain('parley_job_seconds{type="test",quantile="0.5"} 0.003')
  expect(lines).toContain('parley_job_seconds{type="test",quantile="0.99"} 10')
  expect(lines.join()).not.toMatch(/acme|globex/)
})

test('every alert is about a metric that we give', () => {
  const given = new Set(metricLines([figuresOf('acme', [1])]).map((line) => /^\w+/.exec(line)?.[0]))
  for (const { expr } of alertRules) {
    const metric = /parley_\w+/.exec(expr)?.[0]
    expect(given).toContain(metric)
  }
})

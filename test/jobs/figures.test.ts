import { expect, test } from 'vitest'
import { alertRules } from '../../src/jobs/metrics/alerts.ts'
import { jobFamilies, summarize, queueFamilies, type QueueMetrics } from '../../src/jobs/metrics/queue-metrics.ts'
import { expositionText, type MetricFamily } from '../../src/kernel/exposition.ts'
import { JobMetrics } from '../../src/jobs/metrics/job-metrics.ts'
import { OneQueue } from './support/one-queue.ts'

const linesOf = (families: readonly MetricFamily[]) => expositionText(families).split('\n')

const none = { waiting: 0, delayed: 0, active: 0, done: 0, failed: 0, dead: 0, cancelled: 0 }

function figuresOf(tenant: string, durationsMs: readonly number[]): QueueMetrics {
  const meter = new JobMetrics()
  const world = new OneQueue()
  world.add('a')
  world.take()
  world.done('a')
  const job = world.stores.jobs.get('a')
  for (const ms of durationsMs) if (job !== undefined) meter.attempt(job, ms)
  return { tenant, queue: 'q', counts: { ...none, waiting: 2, dead: 1 }, oldestMs: 5000, tallies: meter.tallies() }
}

test('figures of all queues are added up, and name no tenant', () => {
  const lines = linesOf(jobFamilies([figuresOf('acme', [2, 2, 2, 2]), figuresOf('globex', [2, 2, 2, 2, 2, 9000])]))
  expect(lines).toContain('parley_jobs{state="waiting"} 4')
  expect(lines).toContain('parley_jobs_oldest_waiting_seconds 5')
  expect(lines).toContain('parley_job_attempts_total{type="test"} 10')
  expect(lines).toContain('parley_jobs_ended_total{type="test",state="done"} 10')
  expect(lines).toContain('parley_job_seconds{type="test",quantile="0.5"} 0.003')
  expect(lines).toContain('parley_job_seconds{type="test",quantile="0.99"} 10')
  expect(lines).toContain('parley_job_seconds_sum{type="test"} 9.018')
  expect(lines).toContain('parley_job_seconds_count{type="test"} 10')
  expect(lines.join()).not.toMatch(/acme|globex/)
})

test('queue by queue they are for the operator, and so many and no more', () => {
  const lines = linesOf(queueFamilies([figuresOf('acme', [2, 2, 9000]), figuresOf('globex', [])]))
  expect(lines).toContain('parley_queue_jobs{tenant="acme",queue="q",state="dead"} 1')
  expect(lines).toContain('parley_queue_oldest_waiting_seconds{tenant="globex",queue="q"} 5')
  expect(lines).toContain('parley_queue_job_attempts_total{tenant="acme",queue="q",type="test"} 3')
  expect(lines).toContain('parley_queue_jobs_ended_total{tenant="acme",queue="q",type="test",state="done"} 3')
  expect(lines).toContain('parley_queue_job_seconds{tenant="acme",queue="q",type="test",quantile="0.5"} 0.003')
  const one = figuresOf('acme', [])
  const many = linesOf(queueFamilies(Array.from({ length: 1000 }, (_, n) => ({ ...one, tenant: `t${n}` }))))
  expect(new Set(many.flatMap((line) => /tenant="(\w+)"/.exec(line)?.[1] ?? [])).size).toBe(200)
})

test('a tenant sees how fast its jobs went', () => {
  expect(figuresOf('acme', [2, 2, 9000, 5_000_000]).tallies.map(summarize)).toEqual([
    { type: 'test', attempts: 4, ended: { done: 4 }, durationsMs: { p50: 3, p90: null, p99: null } },
  ])
})

test('a meter goes on from what it had counted', () => {
  const before = figuresOf('acme', [2, 2]).tallies
  const meter = new JobMetrics(before)
  expect(meter.tallies()).toEqual(before)
  expect(meter.takeChanged()).toBeUndefined()
})

test('every alert is about a metric that we give', () => {
  const given = new Set(jobFamilies([figuresOf('acme', [1])]).map(({ name }) => name))
  for (const { expr } of alertRules) {
    const metric = /parley_\w+/.exec(expr)?.[0]
    expect(given).toContain(metric)
  }
})

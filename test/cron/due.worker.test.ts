import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { schedule } from '../../src/cron/schedule.ts'
import type { Env } from '../../src/env.ts'
import type { NewJob } from '../../src/jobs/model/job.ts'
import worker from '../../src/index.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const crons = [...new Set(schedule.map(({ cron }) => cron))]
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Runs every task that the clock starts. */
async function ringAll(at: number, on: Env = env): Promise<void> {
  for (const cron of crons) await worker.scheduled(createScheduledController({ cron, scheduledTime: new Date(at) }), on)
}

/** The bindings, and the calls that are made through them but for those of the platform's one actor. */
function counting(): { on: Env; calls: string[] } {
  const calls: string[] = []
  const counted = (binding: string, namespace: { getByName(name: string): object }) =>
    new Proxy(namespace, {
      get: (target, property) =>
        property !== 'getByName'
          ? Reflect.get(target, property)
          : (name: string) =>
              new Proxy(target.getByName(name), {
                get:
                  (stub, method) =>
                  (...args: unknown[]) => {
                    calls.push(`${binding} ${name}.${String(method)}`)
                    return Reflect.apply(Reflect.get(stub, method), stub, args)
                  },
              }),
    })
  const { GATEWAY, TENANT, JOB_QUEUE, SHARD_WRITER, INBOX, CONVERSATION } = env
  const on = {
    ...env,
    GATEWAY: counted('gateway', GATEWAY),
    TENANT: counted('tenant', TENANT),
    JOB_QUEUE: counted('queue', JOB_QUEUE),
    SHARD_WRITER: counted('writer', SHARD_WRITER),
    INBOX: counted('inbox', INBOX),
    CONVERSATION: counted('conversation', CONVERSATION),
  }
  return { on: Object.assign({}, env, on), calls }
}

const newJob = (id: string): NewJob => ({ id, type: 'join', payload: '{}', runAt: 0 })

test('in a month in which no tenant does anything, the schedule calls no tenant, queue or gateway and no outside service', async () => {
  postgresIsThere()
  const used = await newTenant()
  await newTenant()
  await env.PLATFORM.getByName('house').noteUse([used.id])
  // Of a tenant that was used the last days are counted once more, each night for a week.
  const start = Date.UTC(2026, 11, 1, 3, 17)
  for (let day = 0; day < 10; day++) await ringAll(start + day * dayMs)
  const statements = postgresIsThere()
  const { on, calls } = counting()
  for (let day = 10; day < 40; day++) await ringAll(start + day * dayMs, on)
  // Partitions are made once a month, on each of the two shards.
  const partitions = statements.filter(({ query }) => query.includes('create_message_partition'))
  expect(calls).toEqual([])
  expect(statements).toEqual(partitions)
  expect(partitions).toHaveLength(2)
})

test('a queue is swept while it has jobs, and no more once they are gone', async () => {
  postgresIsThere()
  const { id } = await newTenant()
  const queue = env.JOB_QUEUE.getByName(`${id}/default`)
  const { on, calls } = counting()
  const swept = () => calls.filter((call) => call === `queue ${id}/default.sweep`).length
  await ringAll(Date.now(), on)
  expect(swept()).toBe(0)
  await queue.enqueue(newJob('due'))
  await expect.poll(async () => await env.PLATFORM.getByName('house').hasDueQueues(Date.now())).toBe(true)
  await ringAll(Date.now(), on)
  await ringAll(Date.now(), on)
  expect(swept()).toBe(2)
  await queue.cancel('due')
  await ringAll(Date.now(), on)
  expect(swept()).toBe(3)
  // Its record is kept for a while; then it is visited once more to be removed.
  await ringAll(Date.now() + hourMs, on)
  expect(swept()).toBe(3)
  await ringAll(Date.now() + 400 * dayMs, on)
  expect(swept()).toBe(4)
})

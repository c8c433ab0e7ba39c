import { expect, test } from 'vitest'
import { Gate } from './qstash-hooks.ts'
import type { Bench } from './qstash-target.ts'

/** Queues and flow control: order, and how much at once. */
export function flowContract(given: () => Bench): void {
  test('a queue delivers in order, a message that is retried holding up those behind it', async () => {
    const bench = given()
    const queue = bench.client.queue({ queueName: bench.name('queue') })
    const hook = bench.hooks.open((_, nth) => ({ status: nth === 0 ? 500 : 200 }))
    for (const body of ['1', '2', '3']) await queue.enqueue({ url: hook.url, body, retryDelay: '1000' })

    await bench.delivery(hook, 4)
    expect(hook.deliveries.map(({ body }) => body.toString())).toEqual(['1', '1', '2', '3'])
    expect(hook.maxOpen).toBe(1)
    await queue.delete()
  })

  test('a queue of parallelism 2 has two deliveries under way, never three', async () => {
    const bench = given()
    const queue = bench.client.queue({ queueName: bench.name('queue') })
    await queue.upsert({ parallelism: 2 })
    const gate = new Gate()
    const hook = bench.hooks.open(() => gate.passed().then(() => ({})))
    for (const body of ['1', '2', '3', '4']) await queue.enqueueJSON({ url: hook.url, body })

    await bench.delivery(hook, 2)
    await bench.quiet()
    expect(hook.open).toBe(2)
    expect(await queue.get()).toMatchObject({ parallelism: 2, paused: false, lag: 4 })
    gate.open()
    await bench.delivery(hook, 4)
    expect(hook.maxOpen).toBe(2)
    await queue.delete()
  })

  test('a paused queue holds its messages until it is resumed', async () => {
    const bench = given()
    const queue = bench.client.queue({ queueName: bench.name('queue') })
    const hook = bench.hooks.open()
    await queue.upsert({ parallelism: 1, paused: true })
    await queue.enqueue({ url: hook.url, body: 'held' })

    await bench.quiet()
    expect(hook.deliveries).toEqual([])
    expect(await queue.get()).toMatchObject({ paused: true, lag: 1 })
    await queue.resume()
    await bench.delivery(hook)
    await queue.delete()
    await expect(queue.get()).rejects.toMatchObject({ status: 404 })
  })

  test('flow control of parallelism 1 has one delivery under way', async () => {
    const bench = given()
    const flowControl = { key: bench.name('flow'), parallelism: 1 }
    const gate = new Gate()
    const hook = bench.hooks.open(() => gate.passed().then(() => ({})))
    for (const body of ['1', '2', '3']) await bench.client.publish({ url: hook.url, body, flowControl })

    await bench.delivery(hook)
    await bench.quiet()
    expect(hook.open).toBe(1)
    expect(await bench.client.flowControl.get(flowControl.key)).toMatchObject({ parallelismMax: 1, waitListSize: 2 })
    gate.open()
    await bench.delivery(hook, 3)
    expect(hook.maxOpen).toBe(1)
  })

  test('flow control by rate begins no more deliveries in a period than allowed', async () => {
    const bench = given()
    const flowControl = { key: bench.name('flow'), rate: 2, period: '60s' as const }
    const hook = bench.hooks.open()
    await bench.client.batch(Array.from({ length: 5 }, () => ({ url: hook.url, flowControl })))

    await bench.delivery(hook, 5)
    // Five at two a period take three periods: the first and the fifth are more than one whole period apart.
    const apart = (hook.deliveries[4]?.at ?? 0) - (hook.deliveries[0]?.at ?? 0)
    expect(apart).toBeGreaterThanOrEqual(bench.lasting(60))
  })

  test('a paused flow-control key holds its messages until it is resumed', async () => {
    const bench = given()
    const flowControl = { key: bench.name('flow'), parallelism: 5 }
    const hook = bench.hooks.open()
    await bench.client.flowControl.pause(flowControl.key)
    await bench.client.publish({ url: hook.url, flowControl })

    await bench.quiet()
    expect(hook.deliveries).toEqual([])
    expect(await bench.client.flowControl.get(flowControl.key)).toMatchObject({ isPaused: true })
    await bench.client.flowControl.resume(flowControl.key)
    await bench.delivery(hook)
  })
}

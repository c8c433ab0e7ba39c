import { expect, test } from 'vitest'
import type { Bench } from './qstash-target.ts'

/** Publishing, cancelling, deduplication. */
export function publishContract(given: () => Bench): void {
  test('a delayed message waits, can be looked at meanwhile, and is gone once delivered', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const { messageId: waiting } = await bench.client.publish({
      url: hook.url,
      body: 'later',
      delay: 3600,
      label: 'contract',
    })
    expect(await bench.client.messages.get(waiting)).toMatchObject({
      messageId: waiting,
      url: hook.url,
      body: 'later',
      method: 'POST',
      labels: ['contract'],
    })
    await bench.client.messages.cancel(waiting)

    const sentAt = Date.now()
    const { messageId } = await bench.client.publish({ url: hook.url, body: 'soon', delay: 20 })
    const delivery = await bench.delivery(hook)
    expect(delivery.at - sentAt).toBeGreaterThanOrEqual(bench.lasting(20))
    await bench.eventually(() => expect(bench.client.messages.get(messageId)).rejects.toMatchObject({ status: 404 }))
  })

  test('a message is not delivered before its not-before', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const notBefore = Math.ceil(Date.now() / 1000) + 20
    const waits = (notBefore - Date.now() / 1000) * 0.95
    const sentAt = Date.now()
    await bench.client.publish({ url: hook.url, notBefore })

    expect((await bench.delivery(hook)).at - sentAt).toBeGreaterThanOrEqual(bench.lasting(waits))
  })

  test('a cancelled message is never delivered; cancelling what is unknown is a 404', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    // Long enough here, too, to be cancelled in time.
    const delay = bench.target.timeScale > 1 ? 500 : 10
    const { messageId } = await bench.client.publish({ url: hook.url, delay })

    await bench.client.messages.cancel(messageId)
    await expect(bench.client.messages.cancel('msg_unknown')).rejects.toMatchObject({ status: 404 })
    await bench.quiet(delay + 10)
    expect(hook.deliveries).toEqual([])
  })

  test('the same deduplication id sends once and answers with the first message', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const deduplicationId = bench.name('once')
    const first = await bench.client.publish({ url: hook.url, body: '1', deduplicationId })
    const second = await bench.client.publish({ url: hook.url, body: '2', deduplicationId })

    expect(second).toMatchObject({ messageId: first.messageId, deduplicated: true })
    await bench.quiet()
    expect(hook.deliveries.map(({ body }) => body.toString())).toEqual(['1'])
  })

  test('a batch answers in order and delivers every message, verified', async () => {
    const bench = given()
    const hooks = [1, 2, 3].map(() => bench.hooks.open())
    const answers = await bench.client.batchJSON(
      hooks.map(({ url }, n) => ({ url, body: { n }, headers: { n: `${n}` } })),
    )

    for (const [n, hook] of hooks.entries()) {
      const delivery = await bench.delivery(hook)
      expect(answers[n]).toMatchObject({ messageId: delivery.header['upstash-message-id'] })
      expect(delivery.header['n']).toBe(String(n))
      expect(delivery.body.toString()).toBe(JSON.stringify({ n }))
      await bench.verify(delivery, hook.url)
    }
  })

  test('a destination without http:// or https:// is refused with 400', async () => {
    const bench = given()
    await expect(bench.client.publish({ url: 'ftp://example.com' })).rejects.toMatchObject({ status: 400 })
  })
}

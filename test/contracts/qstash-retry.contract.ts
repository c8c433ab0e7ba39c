import { expect, test } from 'vitest'
import { type Bench, gap } from './qstash-target.ts'

/** What happens when an endpoint fails. */
export function retryContract(given: () => Bench): void {
  test('a failed delivery is made again after the default back-off, with the same id and a count', async () => {
    const bench = given()
    const retries = bench.target.timeScale > 1 ? 2 : 1
    const hook = bench.hooks.open((_, nth) => ({ status: nth < retries ? 500 : 200 }))
    const { messageId } = await bench.client.publish({ url: hook.url, body: 'again' })

    const last = await bench.delivery(hook, retries + 1)
    expect(hook.deliveries.map(({ header }) => header['upstash-retried'])).toEqual(
      ['0', '1', '2'].slice(0, retries + 1),
    )
    expect(last.header['upstash-message-id']).toBe(messageId)
    await bench.verify(last, hook.url)
    for (let n = 1; n <= retries; n += 1)
      expect(gap(hook, n, n + 1)).toBeGreaterThanOrEqual(bench.lasting(Math.exp(2.5 * n)))
  })

  test('a retry delay is computed from how often the message was retried', async () => {
    const bench = given()
    const hook = bench.hooks.open((_, nth) => ({ status: nth < 2 ? 500 : 200 }))
    await bench.client.publish({ url: hook.url, retries: 2, retryDelay: 'max(20000, pow(retried + 1, 2) * 10000)' })

    await bench.delivery(hook, 3)
    expect(gap(hook, 1, 2)).toBeGreaterThanOrEqual(bench.lasting(20))
    expect(gap(hook, 2, 3)).toBeGreaterThanOrEqual(bench.lasting(40))
  })

  test('an endpoint says by Retry-After when to come back', async () => {
    const bench = given()
    const asked = ['30', '0m25s']
    const hook = bench.hooks.open((_, nth) => {
      const wait = asked[nth]
      return wait === undefined ? {} : { status: 429, header: { 'Retry-After': wait } }
    })
    await bench.client.publish({ url: hook.url, retryDelay: '1000' })

    await bench.delivery(hook, 3)
    expect(gap(hook, 1, 2)).toBeGreaterThanOrEqual(bench.lasting(30))
    expect(gap(hook, 2, 3)).toBeGreaterThanOrEqual(bench.lasting(25))
  })

  test('an endpoint that takes longer than the timeout has failed', async () => {
    const bench = given()
    const hook = bench.hooks.open((_, nth) => (nth === 0 ? new Promise(() => {}) : {}))
    await bench.client.publish({ url: hook.url, timeout: 1, retryDelay: '1000' })

    expect((await bench.delivery(hook, 2)).header['upstash-retried']).toBe('1')
    expect(gap(hook, 1, 2)).toBeGreaterThanOrEqual(500)
  })

  test('a callback tells of the answer and of the message it answers', async () => {
    const bench = given()
    const callback = bench.hooks.open()
    const hook = bench.hooks.open(() => ({ status: 201, header: { 'X-Answer': 'yes' }, body: 'größe' }))
    const { messageId } = await bench.client.publish({
      url: hook.url,
      body: 'ask',
      callback: callback.url,
      headers: { 'Upstash-Callback-Forward-X-Job': 'j1' },
    })

    const told = await bench.delivery(callback)
    await bench.verify(told, callback.url)
    expect(told.header['x-job']).toBe('j1')
    expect(JSON.parse(told.body.toString())).toMatchObject({
      status: 201,
      body: Buffer.from('größe').toString('base64'),
      header: { 'X-Answer': ['yes'] },
      sourceBody: Buffer.from('ask').toString('base64'),
      sourceMessageId: messageId,
      url: hook.url,
      method: 'POST',
      retried: 0,
    })
  })

  test('a callback comes after each attempt, failed ones too', async () => {
    const bench = given()
    const callback = bench.hooks.open()
    const hook = bench.hooks.open((_, nth) => ({ status: nth === 0 ? 503 : 200 }))
    await bench.client.publish({ url: hook.url, callback: callback.url, retryDelay: '1000' })

    await bench.delivery(callback, 2)
    const told = callback.deliveries.map(({ body }): unknown => JSON.parse(body.toString()))
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ status: 503, retried: 0 }),
        expect.objectContaining({ status: 200, retried: 1 }),
      ]),
    )
  })
}

import { expect, test } from 'vitest'
import { type Bench, gap } from './qstash-target.ts'

/** Retries after failed attempts. */
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

  test('a retry delay is computed from the number of retries', async () => {
    const bench = given()
    const hook = bench.hooks.open((_, nth) => ({ status: nth < 2 ? 500 : 200 }))
    await bench.client.publish({ url: hook.url, retries: 2, retryDelay: '20000 * (1 + retried)' })

    await bench.delivery(hook, 3)
    expect(gap(hook, 1, 2)).toBeGreaterThanOrEqual(bench.lasting(20))
    expect(gap(hook, 2, 3)).toBeGreaterThanOrEqual(bench.lasting(40))
  })

  test('the Retry-After of an answer sets the wait before the next attempt', async () => {
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
}

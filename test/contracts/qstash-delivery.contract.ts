import { Client } from '@upstash/qstash'
import { expect, test } from 'vitest'
import type { Bench } from './qstash-target.ts'

/** A published message arrives unchanged, and its signature proves that QStash sent it. */
export function deliveryContract(given: () => Bench): void {
  test('a delivery is signed for its exact destination, query string and percent signs included', async () => {
    const bench = given()
    const hook = bench.hooks.open(undefined, '?tenant=t%201&path=a%2Fb&empty=')
    await bench.client.publishJSON({ url: hook.url, body: { hello: 'wörld' } })

    const delivery = await bench.delivery(hook)
    expect(hook.url.endsWith(delivery.target)).toBe(true)
    expect(delivery.body.toString()).toBe('{"hello":"wörld"}')
    await bench.verify(delivery, hook.url)
  })

  test('a changed body, another destination or a forged signature is refused', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    await bench.client.publish({ url: hook.url, body: 'true' })

    const delivery = await bench.delivery(hook)
    const signature = delivery.header['upstash-signature'] ?? ''
    const verify = (changed: object) =>
      bench.receiver.verify({ signature, body: 'true', clockTolerance: 5, ...changed })
    await expect(verify({})).resolves.toBe(true)
    await expect(verify({ body: 'false' })).rejects.toThrow('body hash does not match')
    await expect(verify({ url: `${hook.url}/other` })).rejects.toThrow('invalid subject')
    await expect(verify({ signature: `${signature.slice(0, -6)}AAAAAA` })).rejects.toThrow('signature')
  })

  test('body bytes, content type, method and forwarded headers arrive as they were sent', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const bytes = Uint8Array.from([0, 255, 254, 13, 10, 128, 0])
    await bench.client.publish({
      url: hook.url,
      method: 'PUT',
      body: new Blob([bytes]),
      headers: { 'Content-Type': 'application/octet-stream', 'X-Tenant': 't1', Authorization: 'Basic abc' },
    })

    const delivery = await bench.delivery(hook)
    expect([...delivery.body]).toEqual([...bytes])
    expect(delivery.method).toBe('PUT')
    expect(delivery.header).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-tenant': 't1',
      authorization: 'Basic abc',
      'user-agent': 'Upstash-QStash',
      'upstash-retried': '0',
    })
  })

  test('a message without a body arrives empty and verifies', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    await bench.client.publish({ url: hook.url })

    const delivery = await bench.delivery(hook)
    expect(delivery.body.byteLength).toBe(0)
    await bench.verify(delivery, hook.url)
  })

  test('the message id a publisher learns is the one the endpoint sees', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const { messageId } = await bench.client.publish({ url: hook.url, body: 'x' })

    expect((await bench.delivery(hook)).header['upstash-message-id']).toBe(messageId)
  })

  test('a wrong token is refused with 401, and nothing is sent', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const unauthorized = new Client({ baseUrl: bench.target.url, token: 'wrong', retry: false })

    await expect(unauthorized.publish({ url: hook.url })).rejects.toMatchObject({ status: 401 })
    await bench.quiet()
    expect(hook.deliveries).toEqual([])
  })

  test('the signing keys are read with the token, and not without it', async () => {
    const { url, token, currentSigningKey, nextSigningKey } = given().target
    const keys = async (token: string) => fetch(`${url}/v2/keys`, { headers: { Authorization: `Bearer ${token}` } })
    expect(await (await keys(token)).json()).toMatchObject({ current: currentSigningKey, next: nextSigningKey })
    expect((await keys('wrong')).status).toBe(401)
  })
}

import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { readSigned } from '../sdk/webhooks.ts'
import { signedHeaders } from '../src/webhooks/endpoint-post.ts'

const secret = `whsec_${btoa('a secret of thirty-two bytes, ok')}`
const other = `whsec_${btoa('another secret, of the same size')}`
const now = 1_790_000_000_000
const body = '{"type":"order.placed","note":"ü"}'

const requestOf = (headers: Readonly<Record<string, string>>, text = body) =>
  new Request('https://shop.example/events', { method: 'POST', body: text, headers })

test('a body that Parley signed is read, with each secret of a rotation', async () => {
  const headers = await signedHeaders([other, secret], 'c/t/1', body, now)
  for (const secrets of [[secret], [other], [secret, other]])
    expect(await readSigned(requestOf(headers), secrets, { now })).toEqual({ id: 'c/t/1', text: body })
})

test('a body that a library of Standard Webhooks signed is read', async () => {
  const headers = {
    'webhook-id': 'm-1',
    'webhook-timestamp': String(now / 1000),
    'webhook-signature': new Webhook(secret).sign('m-1', new Date(now), body),
  }
  expect(await readSigned(requestOf(headers), [secret], { now })).toEqual({ id: 'm-1', text: body })
})

test('a body with another text, id, time or secret is refused, and so is one that is too old or not signed', async () => {
  const headers = await signedHeaders([secret], 'c/t/1', body, now)
  const refused = async (changed: Readonly<Record<string, string>>, text = body, at = now, by = secret) =>
    expect(await readSigned(requestOf({ ...headers, ...changed }, text), [by], { now: at })).toBeUndefined()
  await refused({}, '{}')
  await refused({ 'webhook-id': 'c/t/2' })
  await refused({ 'webhook-timestamp': String(now / 1000 + 1) })
  await refused({}, body, now, other)
  await refused({}, body, now + 301_000)
  await refused({}, body, now - 301_000)
  await refused({ 'webhook-signature': '' })
  await refused({ 'webhook-signature': 'v1,%%% v2,aaaa v1' })
  await refused({ 'webhook-timestamp': 'yesterday' })
  expect(await readSigned(requestOf({}), [secret], { now })).toBeUndefined()
})

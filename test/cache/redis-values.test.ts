import { afterAll, beforeAll, expect, test } from 'vitest'
import { getValue, setValue } from '../../src/adapters/upstash/values.ts'
import { startUpstash, type Upstash } from '../../local/upstash/start.ts'
import { serverSaying } from '../support/serving.ts'

let upstash: Upstash
beforeAll(async () => {
  upstash = await startUpstash({ token: 'token' })
})
afterAll(async () => await upstash.stop())

const signal = new AbortController().signal

test.each(['a', '{"json": "with \\"quotes\\""}\n\t1', 'äöü € 🦜', '\r\n$5\r\n', 'x'.repeat(300_000)])(
  'a text that is kept in Redis is found there as it was: %#',
  async (text) => {
    await setValue(upstash, 'history.1:acme:lunch/0 %:é', { text, seconds: 60 }, signal)
    expect(await getValue(upstash, 'history.1:acme:lunch/0 %:é', signal)).toBe(text)
  },
)

test('a key that does not exist has no text', async () => {
  expect(await getValue(upstash, 'none', signal)).toBeUndefined()
})

test('a wrong token is an error that says what Redis answered', async () => {
  await expect(getValue({ ...upstash, token: 'wrong' }, 'k', signal)).rejects.toThrow('Redis answered 401: ')
})

test.each([
  ['$10\r\nshort\r\n', 'a string that was cut'],
  ['$5\r\nlonger than that\r\n', 'a string that is longer than it says'],
  [':7\r\n', 'a number'],
  ['*1\r\n$1\r\na\r\n', 'an array'],
  ['', 'nothing'],
  ['<html>502 Bad Gateway</html>', 'a page'],
  ['$-2\r\n', 'a length that cannot be'],
])('%j is no text but an error, since it is %s', async (body) => {
  await using server = await serverSaying('application/octet-stream', body)
  await expect(getValue({ url: server.url, token: 't' }, 'k', signal)).rejects.toThrow('Redis answered no string')
})

test('a proxy that answers in JSON only is understood', async () => {
  await using server = await serverSaying('application/json', '{"result":"text"}')
  expect(await getValue({ url: `${server.url}/`, token: 't' }, 'k', signal)).toBe('text')
  await using empty = await serverSaying('application/json', '{"result":null}')
  expect(await getValue({ url: empty.url, token: 't' }, 'k', signal)).toBeUndefined()
})

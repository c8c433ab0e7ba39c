import { describe, expect, test } from 'vitest'
import { badEndpoint } from '../../src/kernel/outside-url.ts'
import { outcomeOf } from '../../src/jobs/webhooks/endpoint-answer.ts'
import { encodePost, readPost, SigningSecrets, signedHeaders } from '../../src/webhooks/endpoint-post.ts'
import { unreachableReason } from '../../src/webhooks/unreachable.ts'

const deployed = { allowPrivate: false, isDevelopment: false, ownHosts: ['chat.example'] }
const local = { allowPrivate: true, isDevelopment: true, ownHosts: ['localhost'] }

describe('an endpoint', () => {
  test.each(['https://hooks.example.com/a?b=c', 'https://example.co.uk', 'https://hooks.example.com:443/'])(
    'may be %s',
    (url) => expect(badEndpoint(url, deployed)).toBeUndefined(),
  )

  test.each([
    'http://hooks.example.com',
    'ftp://hooks.example.com',
    'https://hooks.example.com:8443/',
    'https://user:secret@hooks.example.com',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.0.0.1/',
    'https://0177.0.0.1/',
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://api.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://intranet/',
    'https://router.home.arpa/',
    'https://other.workers.dev/',
    'https://chat.example/v1/jobs',
    'https://api.chat.example/',
    'https://①②⑦.0.0.1/',
    'javascript:alert(1)',
    'not a url',
    `https://hooks.example.com/${'x'.repeat(2048)}`,
  ])('may not be %s', (url) => {
    expect(badEndpoint(url, deployed)).toMatch(/^url: /)
  })

  test('may be loopback, and nothing else private, where that was allowed', () => {
    for (const url of ['http://127.0.0.1:9999/', 'http://localhost:80', 'http://[::1]:1/'])
      expect(badEndpoint(url, local)).toBeUndefined()
    for (const url of ['http://10.0.0.1', 'https://192.168.1.1', 'http://example.com', 'http://localhost.evil.com'])
      expect(badEndpoint(url, local)).toMatch(/^url: /)
  })
})

test('a development system that refuses loopback names the setting that allows it', () => {
  const development = { allowPrivate: false, isDevelopment: true, ownHosts: [] }
  for (const url of ['http://127.0.0.1:9999/', 'https://localhost/'])
    expect(badEndpoint(url, development)).toBe(
      'url: loopback is refused; start the system with ALLOW_PRIVATE_ENDPOINTS=1 to allow it',
    )
  expect(badEndpoint('http://127.0.0.1:9999/', deployed)).toBe('url: must begin with https://')
})

describe("an endpoint's answer", () => {
  const now = Date.UTC(2026, 0, 1)
  const answer = (status: number, retryAfter: string | null = null, result: string | null = null) =>
    outcomeOf({ status, retryAfter, result }, now)

  test.each([200, 201, 202, 204, 299])('%i is done', (status) => expect(answer(status)).toEqual({ kind: 'done' }))

  test.each([409, 410])('%i is given up', (status) => expect(answer(status)).toMatchObject({ kind: 'discard' }))

  test.each([301, 302, 307, 400, 401, 403, 404, 422, 429, 500, 502, 503, 504])('%i is tried again', (status) =>
    expect(answer(status)).toMatchObject({ kind: 'retry', error: `http-${status}` }),
  )

  test('429 and 503 may say when; others may not', () => {
    expect(answer(429, '30')).toMatchObject({ kind: 'snooze', seconds: 30 })
    expect(answer(503, 'Thu, 01 Jan 2026 00:01:00 GMT')).toMatchObject({ kind: 'snooze', seconds: 60 })
    expect(answer(503, 'Thu, 01 Jan 1970 00:00:00 GMT')).toMatchObject({ kind: 'snooze', seconds: 1 })
    expect(answer(429, '99999999')).toMatchObject({ kind: 'snooze', seconds: 86_400 })
    expect(answer(429, 'soon')).toMatchObject({ kind: 'retry' })
    expect(answer(500, '30')).toMatchObject({ kind: 'retry' })
  })

  test('a result is kept when it is small JSON', () => {
    expect(answer(200, null, '{"sent":3}')).toEqual({ kind: 'done', result: '{"sent":3}' })
    expect(answer(200, null, 'not json')).toEqual({ kind: 'done' })
    expect(answer(200, null, JSON.stringify('x'.repeat(5000)))).toEqual({ kind: 'done' })
  })
})

test.each([
  ['internal error; reference = d5q86ikal0mcfmce8p74m1ru', 'its name has no address, or none that is public'],
  ['Network connection lost.', 'the connection was refused or lost, or TLS failed'],
  ['Too many redirects', 'Too many redirects'],
])('an endpoint that is not reached says why: %s', (thrown, reason) => {
  expect(unreachableReason(thrown)).toBe(reason)
})

test.each(['null', '{ "b": 1.0, "a": "\\u00e9" }', '[1e2]', '"}"'])(
  'the payload %s of an http job is posted as it was given',
  (payload) => {
    const post = { url: 'https://hooks.example.com/"a"', payload }
    expect(readPost(encodePost(post))).toEqual(post)
  },
)

test('an http job whose stored text has another form is posted all the same', () => {
  expect(readPost('{ "payload": [1.0], "url": "https://hooks.example.com" }').payload).toBe('[1]')
})

describe('signatures', () => {
  test('are those of the example in the Standard Webhooks libraries', async () => {
    const headers = await signedHeaders(
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      '{"test": 2432232314}',
      1_614_265_330_000,
    )
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  test('come one per secret, so that both are known during a change', async () => {
    const kept = new Map<string, unknown>()
    const secrets = new SigningSecrets({ get: (key) => kept.get(key), put: (key, value) => void kept.set(key, value) })
    const [first = ''] = secrets.current(0)
    const both = secrets.rotate(0)
    expect(both[1]).toBe(first)
    expect(secrets.current(24 * 3_600_000)).toEqual([both[0]])
    const headers = await signedHeaders(both, 'id', '{}', 0)
    expect(headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/)
  })

  test('are made with the same secret after the queue lost its memory', () => {
    const kept = new Map<string, unknown>()
    const storage = {
      get: (key: string) => kept.get(key),
      put: (key: string, value: unknown) => void kept.set(key, value),
    }
    expect(new SigningSecrets(storage).current(1)).toEqual(new SigningSecrets(storage).current(0))
  })
})

import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import type { App } from '../../src/edge/http/context.ts'
import { onError } from '../../src/edge/http/problem.ts'
import { problems } from '../../src/protocol/problems.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { newTenant, operatorKey } from '../support/worker/tenant.ts'

/** An answer that is this problem, and says what is wrong. */
function expectProblem({ status, headers, body }: Answer, name: keyof typeof problems, words: string | RegExp) {
  expect(body).toMatchObject({
    type: `/docs/errors#${name}`,
    title: problems[name].title,
    status: problems[name].status,
    detail: expect.stringMatching(words),
  })
  expect(status).toBe(problems[name].status)
  expect(headers.get('content-type')).toBe('application/problem+json')
}

describe('credentials', () => {
  test('must say so', async () => {
    expectProblem(await call('GET /v1/conversations'), 'unauthorized', 'Authorization')
    expectProblem(await call('POST /v1/tokens', { body: { user: 'alice' } }), 'unauthorized', 'Authorization')
  })

  test.each(['nonsense', 'parley_nobody_' + 'x'.repeat(43), 'a.b.c', 'demo-key2', '..'])(
    'with %s is not known',
    async (as) => expectProblem(await call('GET /v1/conversations', { as }), 'unauthorized', 'Authorization'),
  )

  test('must say it as a bearer', async () => {
    const headers = { authorization: 'Basic YWxpY2U6c2VjcmV0' }
    expectProblem(await call('GET /v1/conversations', { headers }), 'unauthorized', 'Bearer')
  })

  test('with a key that was revoked is not known any more', async () => {
    const tenant = await newTenant()
    const [key] = (await env.TENANT.getByName(tenant.id).record())?.keys ?? []
    await call(`DELETE /admin/v1/tenants/${tenant.id}/keys/${key?.id}`, { as: operatorKey })
    expectProblem(await call('GET /v1/conversations?user=a', { as: tenant.key }), 'unauthorized', 'not known')
  })

  test('as a user does nothing that needs an API key', async () => {
    const tenant = await newTenant()
    const as = await tenant.token('alice')
    expectProblem(await call('POST /v1/tokens', { as, body: { user: 'bob' } }), 'not-allowed', 'API key')
    expectProblem(await call('GET /v1/conversations?user=bob', { as }), 'not-allowed', 'own list')
    const lunch = await tenant.group('alice', 'bob')
    const body = { clientId: 'a', text: 'Hello', user: 'bob' }
    expectProblem(
      await call(`POST /v1/conversations/${lunch}/messages`, { as, body }),
      'not-allowed',
      'act for another user',
    )
  })

  test('with a key must say whose list', async () => {
    const { key } = await newTenant()
    expectProblem(await call('GET /v1/conversations', { as: key }), 'invalid-request', 'user')
  })
})

describe('input', () => {
  const send = async (
    call_: { raw?: string | Uint8Array<ArrayBuffer>; body?: unknown },
    line = 'POST /v1/conversations',
  ) => await call(line, { as: (await newTenant()).key, ...call_ })

  test.each([
    ['nothing', ''],
    ['half an object', '{"type":'],
    ['words', 'hello'],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ])('as %s is not JSON', async (_, raw) => expectProblem(await send({ raw }), 'not-json', /./))

  test.each([
    ['no object', 7, /object/],
    ['a list', [], /object/],
    ['no type', { members: ['alice'] }, /^type/],
    ['an unknown type', { type: 'party', members: ['alice'] }, /^type/],
    ['an unknown field', { type: 'group', members: ['alice'], colour: 'red' }, /colour/],
    ['a member with a space', { type: 'group', members: ['al ice'] }, /^members\.0: printable/],
    ['a member too long', { type: 'group', members: ['x'.repeat(129)] }, /^members\.0/],
    ['no members', { type: 'group', members: [] }, /^members: at least one/],
    ['three for two', { type: 'direct', members: ['a', 'b', 'c'] }, /^members: .*two people/],
    ['one for two', { type: 'direct', members: ['a', 'a'] }, /^members: .*two people/],
    ['a direct conversation with a name', { type: 'direct', members: ['a', 'b'], name: 'Us' }, /name/],
    ['a name of two lines', { type: 'group', members: ['a'], name: 'a\nb' }, /^name/],
    ['a name too long', { type: 'group', members: ['a'], name: 'x'.repeat(201) }, /^name/],
  ])('with %s is refused by field and rule', async (_, body, words) =>
    expectProblem(await send({ body }), 'invalid-request', words),
  )

  test('a body of more than 256 KiB is too large, whatever is in it', async () => {
    expectProblem(await send({ raw: `"${'x'.repeat(262_144)}"` }), 'too-large', '262144')
  })

  test('a message nested thousands deep is refused like any other', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const raw = `{"clientId":"a","text":"Look","data":${deep}}`
    const answer = await call(`POST /v1/conversations/${lunch}/messages`, { as: tenant.key, raw })
    expectProblem(answer, 'invalid-request', /data: nested/)
  })

  test('a job nested thousands deep is too', async () => {
    const raw = `{"url":"https://example.com","payload":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    expectProblem(await send({ raw }, 'POST /v1/jobs'), 'invalid-request', /payload: nested/)
  })

  test.each(['limit=0', 'limit=101', 'limit=ten', 'cursor=nonsense', 'colour=red', `cursor=${'x'.repeat(201)}`])(
    'the query %s is refused by name',
    async (query) => {
      const { key } = await newTenant()
      const answer = await call(`GET /v1/conversations?user=alice&${query}`, { as: key })
      expectProblem(answer, 'invalid-request', query.split('=')[0]!)
    },
  )

  test.each(['before=0', 'after=-1', 'before=1&after=1', 'limit=1.5'])('messages?%s is refused', async (query) => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const answer = await call(`GET /v1/conversations/${lunch}/messages?${query}`, { as: tenant.key })
    expectProblem(answer, 'invalid-request', /before|after|limit/)
  })
})

describe('where', () => {
  test('nothing is, it says so and where to read', async () => {
    const { key: as } = await newTenant()
    for (const path of ['/v1/nothing', '/v1', '/nothing', '/v1/namespaces/a/b/c'])
      expectProblem(await call(`GET ${path}`, { as }), 'not-found', '/docs')
  })

  test('no such thing can be, it is not found', async () => {
    const tenant = await newTenant()
    const as = tenant.key
    const path = `/v1/conversations/${await tenant.group('alice')}/messages`
    expectProblem(await call(`GET /v1/conversations/${'x'.repeat(65)}`, { as }), 'not-found', 'id')
    expectProblem(await call('GET /v1/conversations/a%20b', { as }), 'not-found', 'id')
    expectProblem(await call(`PATCH ${path}/0`, { as, body: { text: 'x' } }), 'not-found', 'seq')
    expectProblem(await call(`DELETE ${path}/one`, { as }), 'not-found', 'seq')
  })

  test('another method is known, it names those', async () => {
    const { key: as } = await newTenant()
    const answer = await call('PUT /v1/conversations', { as })
    expectProblem(answer, 'method-not-allowed', 'GET, HEAD, POST')
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
    expectProblem(await call('GET /v1/tokens', { as }), 'method-not-allowed', 'POST')
    expectProblem(await call('POST /healthz'), 'method-not-allowed', 'GET')
  })
})

describe('how often', () => {
  test('is limited for each user apart, and the answer says when to retry', async () => {
    const tenant = await newTenant({ requestsPerSecondUser: 0.01 })
    const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
    const answers = []
    for (let n = 0; n < 6; n++) answers.push(await call('GET /v1/conversations', { as: alice }))
    const refused = answers.find(({ status }) => status === 429)!
    expectProblem(refused, 'too-many-requests', 'requests-user')
    expect(refused.body).toMatchObject({ retryAfterMs: expect.any(Number) })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await call('GET /v1/conversations', { as: bob })).status).toBe(200)
  })

  test('messages are sent is one limit over HTTP and socket alike', async () => {
    const tenant = await newTenant({ messagesPerSecond: 0.01, messagesBurst: 2 })
    const lunch = await tenant.group('alice')
    const as = await tenant.token('alice')
    const statuses = []
    for (let n = 0; n < 4; n++) {
      const body = { clientId: `c${n}`, text: 'x' }
      statuses.push((await call(`POST /v1/conversations/${lunch}/messages`, { as, body })).status)
    }
    expect(statuses.slice(0, 1)).toEqual([201])
    expect(statuses.at(-1)).toBe(429)
  })
})

test('no answer shows internals, and every one has an id and safe headers', async () => {
  const { headers } = await call('GET /healthz')
  expect(headers.get('x-request-id')).toMatch(/^[\w-]{10,}$/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test('an answer of an operation carries the safe headers of data, and none that concern documents only', async () => {
  const { headers } = await call('GET /v1/limits')
  const safe = [
    'x-content-type-options',
    'x-frame-options',
    'strict-transport-security',
    'cross-origin-resource-policy',
  ]
  for (const name of safe) expect(headers.get(name), name).not.toBeNull()
  for (const name of ['x-download-options', 'x-xss-protection', 'origin-agent-cluster'])
    expect(headers.get(name), name).toBeNull()
})

test('an actor whose file cannot be read or written, as on a full disk, is a 503 that says so and when to try again', async () => {
  const app = new Hono<App>().get('/', () => {
    // What workerd makes of SQLITE_FULL in an actor.
    throw new Error('internal error; reference = d5q86ikal0mcfmce8p74m1ru')
  })
  const answer = await app.onError(onError).request('/', {}, env)
  expect(answer.status).toBe(503)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await answer.json()).toMatchObject({ detail: expect.stringMatching(/^storage: .* nothing was acknowledged/) })
})

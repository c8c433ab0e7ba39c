import { exports } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { networkOf } from '../../src/kernel/ip-address.ts'
import { rateLimitFields } from '../../src/protocol/rate-limit-fields.ts'
import { stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, operatorKey, succeeded, TestTenant } from '../support/worker/tenant.ts'

async function tenantWith(limits: Record<string, number>): Promise<TestTenant> {
  const id = `t${crypto.randomUUID()}`
  const made = await call(`PUT /admin/v1/tenants/${id}`, { as: operatorKey, body: { name: 'Test', limits } })
  return new TestTenant(id, succeeded(made).apiKey)
}

const sendOver = (conversation: string, index: number) => ({
  rpc: { method: 'message.send', data: { conversation, clientId: `c${index}`, text: 'hi' } },
})

// No unit drips.
beforeEach(stopClock)
afterEach(() => void vi.useRealTimers())

describe('over HTTP', () => {
  test('every answer gives the quota in the fields of the draft and in the widespread older ones', async () => {
    const tenant = await tenantWith({ requestsPerSecondKey: 10 })
    const { headers } = await call('GET /v1/conversations?user=ana', { as: tenant.key })
    expect(headers.get('ratelimit-policy')).toBe('"requests-key";q=20;w=2')
    expect(headers.get('ratelimit')).toBe('"requests-key";r=19;t=1')
    expect(headers.get('x-ratelimit-limit')).toBe('20')
    expect(headers.get('x-ratelimit-remaining')).toBe('19')
    expect(headers.get('x-ratelimit-reset')).toBe('1')
  })

  test('an answer that is a problem gives the quota as well, whatever refused the request', async () => {
    const tenant = await tenantWith({ requestsPerSecondKey: 10 })
    const user = await tenant.token('ana')
    const problems = [
      await call('GET /v1/conversations', { as: tenant.key }),
      await call('GET /v1/jobs/nothing', { as: tenant.key }),
      await call('POST /v1/tokens', { as: tenant.key, body: { user: 7 } }),
      await call('GET /v1/jobs/nothing', { as: user }),
    ]
    expect(problems.map(({ status }) => status)).toEqual([400, 404, 400, 403])
    expect(problems.map(({ headers }) => headers.get('x-ratelimit-limit'))).toEqual([
      '20',
      '20',
      '20',
      expect.any(String),
    ])
    expect(problems.map(({ headers }) => /^"requests-\w+";r=\d+;t=\d+$/.test(headers.get('ratelimit') ?? ''))).toEqual(
      problems.map(() => true),
    )
  })

  test('too many are a 429 that says which policy and how long to wait, and Retry-After is not before t', async () => {
    const tenant = await tenantWith({ requestsPerSecondKey: 0.5 })
    const answers = []
    for (let i = 0; i < 3; i++) answers.push(await call('GET /v1/conversations?user=ana', { as: tenant.key }))
    const refused = answers.at(-1)
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 429])
    expect(refused?.headers.get('content-type')).toBe('application/problem+json')
    expect(refused?.body).toMatchObject({
      type: '/docs/errors#too-many-requests',
      'violated-policies': ['requests-key'],
    })
    const wait = Number(refused?.headers.get('retry-after'))
    expect(wait).toBe(Math.ceil(Number(refused?.body['retryAfterMs']) / 1000))
    expect(refused?.headers.get('ratelimit')).toBe(`"requests-key";r=0;t=${wait}`)
  })

  test('all callers of a tenant share its own limit, and a refusal there costs the caller nothing', async () => {
    const tenant = await tenantWith({ requestsPerSecondTenant: 1, requestsPerSecondUser: 5 })
    const token = await tenant.token('ana')
    const list = () => call('GET /v1/conversations', { as: token })
    expect((await list()).status).toBe(200)
    const refused = await list()
    expect(refused.status).toBe(429)
    expect(refused.body['violated-policies']).toEqual(['requests-tenant'])
    const remaining = Number(refused.headers.get('x-ratelimit-remaining'))
    expect(Number((await list()).headers.get('x-ratelimit-remaining'))).toBeGreaterThanOrEqual(remaining)
  })

  test('edits, deletions and whatever else adds to a log count as messages, as they do over a socket', async () => {
    const tenant = await tenantWith({ messagesPerSecond: 0.01, messagesBurst: 6 })
    const lunch = await tenant.group('ana')
    const as = await tenant.token('ana')
    const at = `/v1/conversations/${lunch}`
    const messages = (n: number) => call(`POST ${at}/messages`, { as, body: { clientId: `c${n}`, text: 'hi' } })
    const edit = () => call(`PATCH ${at}/messages/1`, { as, body: { text: 'ho' } })
    const all = [
      await messages(1),
      await edit(),
      await call(`DELETE ${at}/messages/1`, { as }),
      await call(`POST ${at}/members`, { as, body: { members: ['bob'] } }),
      await call(`DELETE ${at}/members/bob`, { as }),
      await call(`PATCH ${at}`, { as, body: { name: 'Dinner' } }),
    ]
    expect(all.map(({ status }) => status)).toEqual([201, 200, 204, 200, 204, 200])
    for (const refused of [await messages(2), await edit()]) {
      expect(refused.status).toBe(429)
      expect(refused.body['violated-policies']).toEqual(['messages'])
    }
  })

  test('messages over HTTP and over a socket come from one bucket', async () => {
    const tenant = await tenantWith({ messagesPerSecond: 0.01, messagesBurst: 3 })
    const lunch = await tenant.group('ana')
    const token = await tenant.token('ana')
    const ana = await connectAs(tenant, 'ana')
    await ana.send(lunch, 'one')
    await ana.send(lunch, 'two')
    const post = (clientId: string) =>
      call(`POST /v1/conversations/${lunch}/messages`, { as: token, body: { clientId, text: 'hi' } })
    expect((await post('three')).status).toBe(201)
    expect((await post('four')).body['violated-policies']).toEqual(['messages'])
  })

  test('a new limit holds without a deploy', async () => {
    const tenant = await tenantWith({ requestsPerSecondKey: 1000 })
    await call('GET /v1/conversations?user=ana', { as: tenant.key })
    const limits = { requestsPerSecondKey: 7 }
    await call(`PUT /admin/v1/tenants/${tenant.id}`, { as: operatorKey, body: { name: 'Test', limits } })
    const { headers } = await call('GET /v1/conversations?user=ana', { as: tenant.key })
    expect(headers.get('x-ratelimit-limit')).toBe('14')
  })

  test('connects from one address are limited before their tenant is known', async () => {
    const connect = () =>
      exports.default.fetch('http://parley/connection/websocket', {
        headers: { upgrade: 'websocket', 'cf-connecting-ip': '2001:db8:1:2::9' },
      })
    let refused: Response | undefined
    for (let i = 0; i < 700 && refused === undefined; i++) {
      const response = await connect()
      response.webSocket?.accept()
      response.webSocket?.close()
      if (response.status === 429) refused = response
    }
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused?.json()).toMatchObject({ type: '/docs/errors#too-many-requests' })
  })

  test('the figures are in /metrics, and only operators see names in them', async () => {
    const tenant = await tenantWith({ requestsPerSecondKey: 0.5 })
    for (let i = 0; i < 3; i++) await call('GET /v1/conversations?user=ana', { as: tenant.key })
    const { text } = await call('GET /metrics')
    expect(text).toMatch(/parley_limit_refusals_total\{holder="edge",policy="requests-key"\} [1-9]/)
    expect(text).toMatch(/parley_limit_lease_calls_total\{holder="edge",policy="requests-key"\} [1-9]/)
    expect(text).toMatch(/parley_limit_unreachable_open_total\{holder="edge",policy="requests-key"\} \d/)
    expect(text).not.toContain(tenant.id)
    const refused = await call('GET /admin/v1/limits/refused', { as: operatorKey })
    expect(refused.text).toContain(`${tenant.id}/requests-key:`)
    expect((await call('GET /admin/v1/limits/refused')).status).toBe(401)
  })
})

describe('over a socket', () => {
  test('one too many is error 111 with the time to wait, and nothing is lost of what was let through', async () => {
    const tenant = await tenantWith({ messagesPerSecond: 0.01, messagesBurst: 5 })
    const lunch = await tenant.group('ana')
    const ana = await connectAs(tenant, 'ana')
    const ids = ana.line.say(...Array.from({ length: 7 }, (_, index) => sendOver(lunch, index)))
    const replies = []
    for (const id of ids) replies.push(await ana.line.replyTo(id))
    expect(replies.map(({ error }) => error?.code ?? 0)).toEqual([0, 0, 0, 0, 0, 111, 111])
    expect(replies.at(-1)?.error).toMatchObject({ temporary: true })
    expect(JSON.stringify(replies.at(-1))).toMatch(/retryAfterMs|wait \d+ ms/)
  })

  test('a client that does not stop is sent away with 3013', async () => {
    const tenant = await tenantWith({ messagesPerSecond: 0.01, messagesBurst: 1 })
    const lunch = await tenant.group('ana')
    const ana = await connectAs(tenant, 'ana')
    for (let index = 0; index < 120; index++) ana.line.say(sendOver(lunch, index))
    expect(await ana.line.closed()).toMatchObject({ code: 3013 })
  })

  test('a conversation and a tenant may be limited, too, and the sender pays nothing for their refusal', async () => {
    const tenant = await tenantWith({ messagesPerSecondConversation: 0.5, messagesPerSecond: 1, messagesBurst: 50 })
    const [lunch, dinner] = [await tenant.group('ana', 'bob'), await tenant.group('ana', 'bob')]
    const ana = await connectAs(tenant, 'ana')
    const bob = await connectAs(tenant, 'bob')
    await ana.send(lunch, 'one')
    expect((await bob.rpc('message.send', { conversation: lunch, clientId: 'x', text: 'two' })).error?.code).toBe(111)
    await bob.send(dinner, 'three')
  })

  test('a user who connects over and over waits', async () => {
    const tenant = await tenantWith({ connectsPerSecondUser: 0.05 })
    const people = [connectAs(tenant, 'ana')]
    await people[0]
    await expect(connectAs(tenant, 'ana')).rejects.toThrow('"code":111')
    await connectAs(tenant, 'bob')
  })

  test('typing has a measure of its own', async () => {
    const tenant = await newTenant()
    const ana = await connectAs(tenant, 'ana')
    const codes = []
    for (let i = 0; i < 14; i++) {
      const conversation = `0190000000007000800000000000${String(i).padStart(4, '0')}`
      codes.push((await ana.rpc('conversation.typing', { conversation })).error?.code)
    }
    expect(codes.filter((code) => code === 111).length).toBeGreaterThan(0)
  })
})

describe('names and fields', () => {
  test('an IPv6 caller is its /64, however it is written', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2')
    expect(networkOf('2001:DB8:0001:2::9')).toBe('2001:db8:1:2')
    expect(networkOf('2001:db8::1')).toBe('2001:db8:0:0')
    expect(networkOf('::1')).toBe('0:0:0:0')
    expect(networkOf('::ffff:203.0.113.7')).toBe('203.0.113.7')
    expect(networkOf('203.0.113.7')).toBe('203.0.113.7')
  })

  test('fields hold whole numbers, windows of a second at least, and names no String could break', () => {
    const state = { name: 'a"b\\c\n', quota: 10.9, windowSeconds: 0.2, remaining: -3, resetSeconds: 0.1 }
    expect(rateLimitFields([state, { ...state, name: 'day', windowSeconds: 86_400 }])).toMatchObject({
      'RateLimit-Policy': '"a\\"b\\\\c";q=10;w=1, "day";q=10;w=86400',
      RateLimit: '"a\\"b\\\\c";r=0;t=1, "day";r=0;t=1',
    })
    expect(rateLimitFields([])).toEqual({})
  })
})

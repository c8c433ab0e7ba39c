import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { platformOf, limiterNamed } from '../../durable-objects/address.ts'
import { sharedLimiter } from '../../src/limits/limiter-names.ts'
import { builtInRules, anonymousLimits } from '../../src/limits/built-in-policies.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const asOperator = (line: string, body?: unknown): Promise<Answer> => call(line, { as: operatorKey, body })

async function onPlan(plan: string, limits: Record<string, number> = {}): Promise<TestTenant> {
  const tenant = await newTenant()
  succeeded(await asOperator(`PUT /admin/v1/tenants/${tenant.id}/limits`, { plan, limits }))
  return tenant
}

const list = (tenant: TestTenant) => call('GET /v1/conversations?user=ana', { as: tenant.key })

const message = (conversation: string, clientId: string) => ({
  rpc: { method: 'message.send', data: { conversation, clientId, text: 'hi' } },
})

// No unit drips but where a test says so.
beforeEach(stopClock)

// There is one platform, and the tests of a file share it.
afterEach(async () => {
  vi.useRealTimers()
  await asOperator('PUT /admin/v1/platform/limits', {})
  for (const plan of ['small', 'crowded']) await asOperator(`DELETE /admin/v1/plans/${plan}`)
})

describe('a plan', () => {
  test('gives its tenants their limits, a tenant’s own stand above it, and neither needs a deploy', async () => {
    await asOperator('PUT /admin/v1/plans/small', { limits: { requestsPerSecondKey: 6, messagesPerSecond: 3 } })
    const tenant = await onPlan('small', { messagesPerSecond: 4 })
    expect((await list(tenant)).headers.get('x-ratelimit-limit')).toBe('12')
    const { body } = await call('GET /v1/limits', { as: tenant.key })
    expect(body).toMatchObject({ plan: 'small', limits: { requestsPerSecondKey: 6, messagesPerSecond: 4 } })

    await asOperator('PUT /admin/v1/plans/small', { limits: { requestsPerSecondKey: 7 } })
    expect((await list(tenant)).headers.get('x-ratelimit-limit')).toBe('14')
    await asOperator('DELETE /admin/v1/plans/small')
    expect((await list(tenant)).headers.get('x-ratelimit-limit')).toBe('1000')
  })

  test('limits its tenants together, and a caller refused there pays nothing for it elsewhere', async () => {
    await asOperator('PUT /admin/v1/plans/crowded', { together: { requestsPerSecond: 0.5 } })
    const [one, other] = [await onPlan('crowded'), await onPlan('crowded')]
    expect((await list(one)).status).toBe(200)
    const refused = await list(other)
    expect(refused.status).toBe(429)
    expect(refused.body).toMatchObject({ 'violated-policies': ['requests-plan'] })
    expect(refused.headers.get('ratelimit')).not.toContain('requests-plan')
    const limit = Number(refused.headers.get('x-ratelimit-limit'))
    expect(Number((await list(other)).headers.get('x-ratelimit-remaining'))).toBeGreaterThan(limit - 3)
  })

  test('limits its tenants’ messages together, over sockets and HTTP', async () => {
    await asOperator('PUT /admin/v1/plans/crowded', { together: { messagesPerSecond: 0.5 } })
    const [one, other] = [await onPlan('crowded'), await onPlan('crowded')]
    const [lunch, dinner] = [await one.group('ana'), await other.group('bob')]
    const ana = await connectAs(one, 'ana')
    await ana.send(lunch, 'the one that fits')
    expect((await (await connectAs(other, 'bob')).rpc('message.send', message(dinner, 'x').rpc.data)).error?.code).toBe(
      111,
    )
    const post = { as: await other.token('bob'), body: { clientId: 'y', text: 'hi' } }
    const overHttp = await call(`POST /v1/conversations/${dinner}/messages`, post)
    expect(overHttp.body).toMatchObject({ status: 429, 'violated-policies': ['messages-plan'] })
  })
})

describe('the whole system', () => {
  test('may be limited: requests of any caller, with waits spread so that not all come back at once', async () => {
    const [one, other] = [await newTenant(), await newTenant()]
    await asOperator('PUT /admin/v1/platform/limits', { requestsPerSecond: 0.5 })
    await limiterNamed(env, sharedLimiter('requests-system', '')).reset(
      builtInRules('requests-system', anonymousLimits),
    )
    expect((await list(one)).status).toBe(200)
    const refusals = await Promise.all(Array.from({ length: 12 }, () => list(other)))
    expect(refusals.map(({ status }) => status)).toEqual(refusals.map(() => 429))
    expect(refusals[0]?.body['violated-policies']).toEqual(['requests-system'])
    const waits = refusals.map(({ body }) => Number(body['retryAfterMs']))
    expect(new Set(waits).size).toBeGreaterThan(6)
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(100)
  })

  test('may be limited: connects, before their tenant is known', async () => {
    await asOperator('PUT /admin/v1/platform/limits', { connectsPerSecond: 0.5 })
    const tenant = await newTenant()
    await connectAs(tenant, 'ana')
    await expect(connectAs(tenant, 'bob')).rejects.toThrow('without a socket')
  })

  test('belongs to the platform: no tenant may take the name of its limiters', async () => {
    const { status, body } = await asOperator('PUT /admin/v1/tenants/parley', { name: 'Mine' })
    expect([status, body.detail]).toEqual([400, expect.stringContaining('reserved for the platform')])
  })
})

describe('a connection', () => {
  test('may be limited apart from its user, and its refusal costs the user nothing', async () => {
    const tenant = await onPlan('default', {
      messagesPerSecondConnection: 0.5,
      messagesPerSecond: 0.1,
      messagesBurst: 3,
    })
    const lunch = await tenant.group('ana')
    const [phone, laptop] = [await connectAs(tenant, 'ana'), await connectAs(tenant, 'ana')]
    const codes = async (ids: number[]) =>
      await Promise.all(ids.map(async (id) => (await phone.line.replyTo(id)).error?.code ?? 0))
    expect(await codes(phone.line.say(message(lunch, 'a'), message(lunch, 'b'), message(lunch, 'c')))).toEqual([
      0, 111, 111,
    ])
    await laptop.send(lunch, 'from elsewhere')
  })

  test('asks for everything else by a measure of its own, and is sent away when it does not stop', async () => {
    const tenant = await onPlan('default', { commandsPerSecondConnection: 0.5 })
    const ana = await connectAs(tenant, 'ana')
    const ids = ana.line.say(...Array.from({ length: 7 }, () => ({ rpc: { method: 'inbox.list', data: {} } })))
    const replies = await Promise.all(ids.map((id) => ana.line.replyTo(id)))
    expect(replies.map(({ error }) => error?.code ?? 0)).toEqual([0, 0, 0, 0, 0, 111, 111])
    for (let n = 0; n < 120; n++) ana.line.say({ history: { channel: 'conversation:x', limit: 1 } })
    expect(await ana.line.closed()).toMatchObject({ code: 3013 })
  })

  test('that asks for too much in one frame is refused the surplus with a time to come later, and stays open', async () => {
    const tenant = await onPlan('default', { commandsPerSecondConnection: 0.5 })
    const ana = await connectAs(tenant, 'ana')
    const ids = ana.line.say(
      ...Array.from({ length: 400 }, () => ({ history: { channel: 'conversation:x', limit: 1 } })),
    )
    const replies = await Promise.all(ids.map((id) => ana.line.replyTo(id)))
    expect(replies.filter(({ error }) => error?.code === 111 && error.temporary === true).length).toBe(395)
    expect((await ana.line.ask({ unsubscribe: { channel: 'conversation:x' } })).unsubscribe).toEqual({})
  })

  test('types in the name of its user: two connections of one user share a limit', async () => {
    const tenant = await newTenant()
    const [phone, laptop] = [await connectAs(tenant, 'ana'), await connectAs(tenant, 'ana')]
    const conversations = Array.from(
      { length: 13 },
      (_, i) => `01900000000070008000000000${String(i).padStart(6, '0')}`,
    )
    const codes = []
    for (const [place, conversation] of conversations.entries()) {
      const device = place % 2 === 0 ? phone : laptop
      codes.push((await device.rpc('conversation.typing', { conversation })).error?.code)
    }
    expect(codes.filter((code) => code === 111).length).toBeGreaterThan(0)
  })
})

describe('classes of requests', () => {
  test.each([
    ['/v1/search', 'searches'],
    ['/v1/uploads/abc', 'uploads'],
  ])('%s counts as %s, by tier, before there is such a route', async (path, policy) => {
    const tenant = await newTenant()
    const byKey = await call(`GET ${path}`, { as: tenant.key })
    expect(byKey.headers.get('ratelimit-policy')).toContain(`"${policy}-key"`)
    const byUser = await call(`GET ${path}`, { as: await tenant.token('ana') })
    expect(byUser.headers.get('ratelimit-policy')).toContain(`"${policy}-user"`)
    expect(byUser.status).toBe(404)
  })

  test('a trigger counts as a notification, and reading notifications as a plain request', async () => {
    const { key } = await newTenant()
    const notification = { content: { body: 'Hi' }, recipients: ['bob'] }
    const sent = await call('POST /v1/notifications', { as: key, body: notification })
    expect(sent.headers.get('ratelimit-policy')).toContain('"notifications-key"')
    const read = await call('GET /v1/notifications', { as: key })
    expect(read.headers.get('ratelimit-policy')).not.toContain('"notifications-key"')
  })

  test('public pages are limited by address', async () => {
    const headers = { 'cf-connecting-ip': '203.0.113.77' }
    for (const path of ['/docs', '/openapi.json', '/metrics', '/readyz'])
      expect((await call(`GET ${path}`, { headers })).headers.get('ratelimit-policy')).toBe(
        '"requests-anonymous";q=60;w=3',
      )
    expect((await call('GET /healthz', { headers })).headers.get('ratelimit-policy')).toBe(null)
  })
})

describe('guessing keys and tokens', () => {
  const from = (address: string) => ({ 'cf-connecting-ip': address })
  const wrong = 'parley_demo_' + 'x'.repeat(43)

  test('has to wait after thirty tries, by key, token and admin key together', async () => {
    const headers = from('2001:db8:7:7::1')
    const statuses = []
    for (let i = 0; i < 12; i++)
      for (const [path, as] of [
        ['/v1/conversations', wrong],
        ['/v1/conversations', 'eyJhbGciOiJIUzI1NiJ9.eyJ0aWQiOiJkZW1vIn0.AAAA'],
        ['/admin/v1/cron', `guess-${i}`],
      ] as const)
        statuses.push((await call(`GET ${path}`, { as, headers })).status)
    expect(statuses.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 401))
    expect(statuses.at(-1)).toBe(429)
  })

  test('locks out no valid token behind the same address, nor a key that entered before; another key only until a unit drips', async () => {
    const tenant = await newTenant()
    const headers = from('203.0.113.99')
    await call('GET /v1/conversations?user=ana', { as: tenant.key, headers })
    const late = await tenant.token('bob')
    const guess = () => call('GET /v1/conversations', { as: wrong, headers })
    for (let i = 0; i < 40; i++) await guess()
    expect((await guess()).status).toBe(429)

    expect((await call('GET /v1/conversations?user=ana', { as: tenant.key, headers })).status).toBe(200)
    expect((await call('GET /v1/conversations', { as: late, headers })).status).toBe(200)
    const waits = await call('GET /v1/conversations', { as: (await newTenant()).key, headers })
    expect(waits.status).toBe(429)
    expect(Number(waits.headers.get('retry-after'))).toBeLessThanOrEqual(2)
    pass(Number(waits.body['retryAfterMs']))
    expect((await guess()).status).toBe(401)
  })
})

describe('bad input', () => {
  test.each([
    ['PUT /admin/v1/plans/small', { limits: { messagesPerSecond: -1 } }, 400, 'messagesPerSecond'],
    ['PUT /admin/v1/plans/small', { limits: { messagesPerDay: 1 } }, 400, 'messagesPerDay'],
    ['PUT /admin/v1/plans/Small', { limits: {} }, 404, 'lower-case'],
    ['PUT /admin/v1/platform/limits', { connectsPerSecond: 0 }, 400, 'connectsPerSecond'],
    ['PUT /admin/v1/tenants/absent/limits', { limits: {} }, 404, 'no such tenant'],
    ['PUT /admin/v1/tenants/demo/limits', { plan: 'nowhere' }, 400, 'there is no plan "nowhere"'],
    ['PUT /admin/v1/tenants/demo/limits', { limits: { connectionsTenant: 1.5 } }, 400, 'a whole number'],
    ['DELETE /admin/v1/plans/nowhere', undefined, 404, 'there is no plan "nowhere"'],
  ])('%s %j is refused by name', async (line, body, status, detail) => {
    const answer = await asOperator(line, body)
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringContaining(detail)])
  })

  test('there are at most a hundred plans, and only the operator sets limits', async () => {
    const platform = platformOf(env)
    for (let i = 0; i < 100; i++) await platform.setPlan(`p${i}`, { limits: {}, together: {} })
    expect((await asOperator('PUT /admin/v1/plans/small', {})).body.detail).toContain('at most 100')
    for (let i = 0; i < 100; i++) await platform.dropPlan(`p${i}`)
    expect((await call('PUT /admin/v1/platform/limits', { as: 'demo-key', body: {} })).status).toBe(401)
  })
})

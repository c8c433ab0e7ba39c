import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { Streamed, ways } from '../support/worker/streamed.ts'
import { operations } from '../support/worker/things.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const shop = 'https://shop.example.com'
const evil = 'https://evil.example.org'

const list = async (tenant: TestTenant, origins: readonly string[] | null) =>
  succeeded(await call('PATCH /v1/settings', { as: tenant.key, body: { origins } }))

const from = async (origin: string, line: string, as?: string) =>
  await call(line, { ...(as === undefined ? {} : { as }), headers: { origin } })

describe('a preflight', () => {
  test('is answered before authentication for every operation under /v1, with what a page may send', async () => {
    for (const { method, path } of operations) {
      const { status, headers } = await call(`OPTIONS ${path.replaceAll(/[{}]/g, '')}`, {
        headers: {
          origin: shop,
          'access-control-request-method': method.toUpperCase(),
          'access-control-request-headers': 'authorization,content-type,idempotency-key',
        },
      })
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toBe('*')
      expect(headers.get('access-control-allow-methods')).toContain(method.toUpperCase())
      expect(headers.get('access-control-allow-headers')).toBe(
        'Authorization, Content-Type, Idempotency-Key, If-None-Match',
      )
    }
  })

  test('of /demo/token is answered, too, so that a page under development gets its token', async () => {
    const headers = { origin: shop, 'access-control-request-method': 'POST' }
    expect((await call('OPTIONS /demo/token', { headers })).status).toBe(204)
  })

  test('is not what any other OPTIONS request is', async () => {
    expect((await call('OPTIONS /v1/conversations')).status).toBe(401)
  })
})

describe('an answer under /v1', () => {
  test('may be read by any page while the tenant lists no origins, with the headers for limits, request and version', async () => {
    const tenant = await newTenant()
    const { status, headers } = await from(shop, 'GET /v1/conversations?user=ana', tenant.key)
    expect([status, headers.get('access-control-allow-origin')]).toEqual([200, '*'])
    const exposed = headers.get('access-control-expose-headers')?.toLowerCase().split(', ')
    for (const name of ['retry-after', 'ratelimit', 'ratelimit-policy', 'x-request-id', 'etag'])
      expect(exposed).toContain(name)
    expect(headers.get('vary')).toContain('Origin')
  })

  test('may be read when it is an error: no credentials, a wrong one, an unknown path, a wrong method, a bad body', async () => {
    const tenant = await newTenant()
    await list(tenant, [shop])
    const told = []
    for (const [line, as] of [
      ['GET /v1/conversations', undefined],
      ['GET /v1/conversations', 'a.b.c'],
      ['GET /v1/nothing', tenant.key],
      ['PUT /v1/conversations', tenant.key],
      ['POST /v1/conversations', tenant.key],
    ] as const) {
      const { status, headers } = await from(shop, line, as)
      told.push([status, headers.get('access-control-allow-origin')])
    }
    expect(told).toEqual([
      [401, '*'],
      [401, '*'],
      [404, shop],
      [405, shop],
      [400, shop],
    ])
  })

  test('goes to listed origins only, and what another asks for is not done', async () => {
    const tenant = await newTenant()
    await list(tenant, [shop, 'https://*.partner.example'])
    for (const origin of [shop, 'https://eu.partner.example']) {
      const { status, headers } = await from(origin, 'GET /v1/conversations?user=ana', tenant.key)
      expect([status, headers.get('access-control-allow-origin')]).toEqual([200, origin])
    }
    for (const origin of [evil, 'https://partner.example', 'http://shop.example.com', `${shop}.evil.example`, 'null']) {
      const { status, headers, body } = await from(origin, 'POST /v1/users/ana/revoke', tenant.key)
      expect([origin, status, headers.get('access-control-allow-origin')]).toEqual([origin, 403, null])
      expect(body.detail).toContain('Origin')
    }
    const token = await tenant.token('ana')
    expect((await call('GET /v1/conversations', { as: token })).status).toBe(200)
    expect((await from(evil, 'GET /v1/conversations', token)).status).toBe(403)
  })

  test('always goes to the server’s own pages and to callers that are no browser', async () => {
    const tenant = await newTenant()
    await list(tenant, [])
    expect((await from('http://parley', 'GET /v1/settings', tenant.key)).status).toBe(200)
    expect((await call('GET /v1/settings', { as: tenant.key })).body).toMatchObject({ origins: [] })
    await list(tenant, null)
    expect((await from(evil, 'GET /v1/settings', tenant.key)).body).toMatchObject({ origins: ['*'] })
  })
})

describe('the list of origins', () => {
  test.each(['https://UPPER.example', 'https://a.example/path', 'example.com', 'https://a*.example', ''])(
    'refuses %s, which no browser sends as an origin',
    async (origin) => {
      const { status, body } = await call('PATCH /v1/settings', {
        as: (await newTenant()).key,
        body: { origins: [origin] },
      })
      expect([status, body.detail]).toEqual([400, expect.stringMatching(/^origins\.0: an origin in lower case/)])
    },
  )

  test('stays when the operator puts the tenant again, and when another setting changes', async () => {
    const tenant = await newTenant()
    await list(tenant, [shop])
    const { body } = await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } })
    expect(body).toEqual({ anonymous: true, origins: [shop] })
    succeeded(
      await call(`PUT /admin/v1/tenants/${tenant.id}`, { as: 'operator-of-the-tests', body: { name: 'Again' } }),
    )
    expect((await call('GET /v1/settings', { as: tenant.key })).body).toEqual({ anonymous: true, origins: [shop] })
  })
})

describe('a connection', () => {
  const connectFrom = async (tenant: TestTenant, origin?: string) => {
    const line = await Line.open(undefined, '', 'json', origin === undefined ? {} : { origin })
    return { line, token: await tenant.token('ana') }
  }

  test('of a page whose origin is not listed is closed for good, those of others are let in', async () => {
    const tenant = await newTenant()
    await list(tenant, [shop])
    for (const origin of [shop, 'http://parley', undefined]) {
      const { line, token } = await connectFrom(tenant, origin)
      expect(await line.ask({ connect: { token } })).toHaveProperty('connect')
    }
    const { line, token } = await connectFrom(tenant, evil)
    line.say({ connect: { token } })
    expect(await line.closed()).toEqual({ code: 4504, reason: 'origin not allowed' })
  })

  test.each(ways)('over %s follows the same list', async (way) => {
    const tenant = await newTenant()
    await list(tenant, [shop])
    const connect = { id: 1, connect: { token: await tenant.token('ana') } }
    const welcome = await Streamed.openFrom({ origin: shop }, way, connect)
    expect(await welcome.replyTo(1)).toHaveProperty('connect')
    await welcome.leave()
    const refused = await Streamed.openFrom({ origin: evil }, way, connect)
    expect(await refused.ended()).toMatchObject({ disconnect: { code: 4504, reason: 'origin not allowed' } })
  })
})

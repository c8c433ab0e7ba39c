import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { shardWriters } from '../../durable-objects/address.ts'
import { signToken } from '../../src/auth/token.ts'
import { methodNames } from '../../durable-objects/gateway/commands/rpc-methods.ts'
import { schedule } from '../../src/cron/schedule.ts'
import { realtimeData, realtimeMethods } from '../../src/edge/openapi/realtime.ts'
import { app } from '../../src/edge/http/app.ts'
import { connect } from '../../src/edge/http/connection.ts'
import { definitions } from '../../src/edge/openapi/openapi.ts'
import { closes } from '../../src/protocol/close-codes.ts'
import { errors } from '../../src/protocol/errors.ts'
import { problems } from '../../src/protocol/problems.ts'
import { expositionFaults } from '../support/exposition.ts'
import { call } from '../support/worker/http.ts'
import { postgresIsAway, postgresIsThere } from '../support/worker/shards.ts'
import { operatorKey } from '../support/worker/tenant.ts'

describe('the documentation', () => {
  test('are exactly the routes that exist', () => {
    const routes = app.routes
      .filter(({ path, method }) => /^\/(?:admin\/)?v1\//.test(path) && method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`)
    const documented = definitions
      .filter(({ path }) => !path.startsWith('/api/'))
      .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect(documented.toSorted()).toEqual([...new Set(routes)].toSorted())
  })

  test('name the server by the address of the request', async () => {
    const { body } = await call('GET /openapi.json')
    expect(body).toMatchObject({ openapi: '3.1.0', servers: [{ url: 'http://parley' }] })
  })

  test('are made once: a second request only puts its own address in', async () => {
    const stringify = vi.spyOn(JSON, 'stringify')
    const first = await call('GET /openapi.json')
    const large = () => stringify.mock.calls.filter(([value]) => Object.hasOwn(Object(value), 'openapi')).length
    const before = large()
    const second = await call('GET /openapi.json')
    expect(second.text).toBe(first.text)
    expect(large()).toBe(before)
    stringify.mockRestore()
  })

  test('are pages to read: errors, and why connections end', async () => {
    const page = await call('GET /docs/errors')
    for (const name of Object.keys(problems)) expect(page.text).toContain(`id="${name}"`)
    for (const { code } of [...Object.values(errors), ...Object.values(closes)]) expect(page.text).toContain(`${code}`)
  })

  test('are a reference that asks no other host for anything, with its script and style packed', async () => {
    const { headers, text } = await call('GET /docs')
    expect(headers.get('content-type')).toContain('text/html')
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
    expect(text.match(/(?:src|href)="(?!\/)[^"]*"/g)).toBe(null)
    for (const file of ['reference.js', 'reference.css']) {
      const plain = await call(`GET /docs/${file}`)
      expect([file, plain.status, plain.text.length > 100_000]).toEqual([file, 200, true])
      const again = await call(`GET /docs/${file}`, { headers: { 'if-none-match': plain.headers.get('etag')! } })
      expect(again.status).toBe(304)
    }
  })

  test('name every realtime method and everything that clients receive', async () => {
    expect(realtimeMethods.map(({ method }) => method).toSorted()).toEqual(methodNames.toSorted())
    const { text } = await call('GET /docs/realtime')
    for (const name of methodNames) expect(text).toContain(`id="${name}"`)
    for (const { id, schemas } of realtimeData)
      for (const type of Object.keys(schemas)) expect(text).toContain(`id="${id}-${type}"`)
  })

  test('the chat page is one file that may run its own script only', async () => {
    const { headers, text } = await call('GET /')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'sha256-/)
    expect(text).toContain('<!doctype html>')
    const again = await call('GET /', { headers: { 'if-none-match': headers.get('etag')! } })
    expect(again.status).toBe(304)
  })

  test('a production system serves a landing page instead of a chat page whose sign-in cannot work', async () => {
    const { LOCAL_TENANT: _tenant, LOCAL_API_KEY: _key, ...rest } = env
    const production = { ...rest, ENVIRONMENT: 'production', ADMIN_KEY: 'k'.repeat(32) }
    const answer = await app.fetch(new Request('http://parley/'), production, createExecutionContext())
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
    const text = await answer.text()
    expect(text).toContain('demonstration chat is not available')
    expect(text).toContain('href="/docs"')
    expect(text).not.toContain('<script')
  })
})

/** One row of a conversation, for a shard writer. */
const batch = {
  tenant: 'acme',
  placementEpoch: 1,
  conversation: 'c',
  epoch: 'e',
  rows: [{ seq: 1, at: 0, user: 'u', client: 'c', clientId: null, data: '{}' }],
  scrubbed: [],
}

afterEach(() => void vi.unstubAllGlobals())

describe('health', () => {
  test('a development system is not ready, and answers 503 with Retry-After, before its tenant is made', async () => {
    const answers = async () =>
      await Promise.all([
        call('GET /readyz'),
        call('GET /v1/conversations?user=alice', { as: 'demo-key' }),
        call('POST /demo/token', { body: { user: 'alice' } }),
      ])
    for (const { status, headers } of await answers()) expect([status, headers.get('retry-after')]).toEqual([503, '1'])
    await call('PUT /admin/v1/tenants/demo', { as: operatorKey, body: { name: 'demo' } })
    expect((await answers()).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('alive says so, ready names each dependency, and a database that is away is no reason to fall', async () => {
    expect(await call('GET /healthz')).toMatchObject({ status: 200, body: { status: 'ok' } })
    postgresIsAway()
    const { status, body } = await call('GET /readyz')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'degraded',
      dependencies: {
        actors: { state: 'ok' },
        shard0: { state: 'down' },
        redis: { state: 'off' },
        qstash: { state: 'off' },
      },
    })
  })

  test('ready looks at the gateways that clients connect to, and says 503 when the one of the caller is broken', async () => {
    const asked: string[] = []
    const readiness = async (broken: string, perRegion = 1) => {
      const stats = (name: string) => async () => {
        asked.push(name)
        if (name === broken) throw new Error('database disk image is malformed')
      }
      const gateways = { getByName: (name: string) => ({ stats: stats(name) }) }
      const request = new Request('http://parley/readyz', { cf: { continent: 'EU' } })
      const own = { ...env, GATEWAY: gateways, GATEWAYS_PER_REGION: String(perRegion) }
      const response = await app.fetch(request, own, createExecutionContext())
      const body: { status: string; dependencies: { actors: unknown } } = await response.json()
      return { code: response.status, status: body.status, actors: body.dependencies.actors }
    }
    expect(await readiness('weur/0')).toEqual({
      code: 503,
      status: 'down',
      actors: { state: 'down', detail: 'gateway weur/0: database disk image is malformed' },
    })
    expect(asked.toSorted()).toEqual(['apac/0', 'enam/0', 'weur/0'])
    expect(await readiness('apac/0')).toMatchObject({ code: 200, status: 'degraded', actors: { state: 'down' } })
    asked.length = 0
    await readiness('', 1000)
    expect(asked.length).toBeLessThanOrEqual(32)
    expect(new Set(asked.map((name) => name.split('/')[0])).size).toBe(3)
  })

  test('ready is not ok while jobs cannot run, and says which variables they lack', async () => {
    const readiness = async (vars: Record<string, string>) => {
      const response = await app.fetch(
        new Request('http://parley/readyz'),
        { ...env, ...vars },
        createExecutionContext(),
      )
      const body: { status: string; dependencies: { qstash: unknown } } = await response.json()
      return { status: body.status, qstash: body.dependencies.qstash }
    }
    expect(await readiness({})).toMatchObject({ status: 'degraded', qstash: { state: 'off' } })
    expect(await readiness({ QSTASH_TOKEN: 'token' })).toEqual({
      status: 'degraded',
      qstash: {
        state: 'down',
        detail: 'jobs cannot run: QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY not set',
      },
    })
  })

  test('metrics are text that Prometheus reads', async () => {
    const { headers, text } = await call('GET /metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    expect(expositionFaults(text)).toEqual([])
    expect(text.match(/^parley_up\{holder="\w+\/\d+"\} 1$/gm)).toHaveLength(3)
  })

  test('metrics are a valid exposition with several gateways in a region, every lane of every shard counted', async () => {
    postgresIsThere()
    const several = Object.assign({ ...env }, { GATEWAYS_PER_REGION: '4', SHARDS: 'shard0,shard1' })
    const scrape = async () => {
      const response = await app.fetch(new Request('http://parley/metrics'), several, createExecutionContext())
      return await response.text()
    }
    const writesOf = (text: string) =>
      [...text.matchAll(/^parley_shard_writer_writes_total\{shard="(\w+)",lane="(\d+)"\} (\d+)$/gm)].map(
        ([, shard, lane, writes]) => [`${shard}/${lane}`, Number(writes)] as const,
      )
    const before = new Map(writesOf(await scrape()))
    for (const shard of ['shard0', 'shard1'])
      for (const { writer } of shardWriters(env, shard)) await writer.write(batch)
    const text = await scrape()
    expect(expositionFaults(text)).toEqual([])
    expect(text.match(/^parley_gateway_sockets\{/gm)).toHaveLength(12)
    expect(writesOf(text).map(([lane, writes]) => [lane, writes - (before.get(lane) ?? 0)])).toEqual([
      ['shard0/0', 1],
      ['shard0/1', 1],
      ['shard1/0', 1],
      ['shard1/1', 1],
    ])
  })

  test('a gateway that does not answer is reported as down, and the others are counted all the same', async () => {
    const gone = 'apac/0'
    const away = { figures: () => Promise.reject(new Error('gone')) }
    const gateways = { getByName: (name: string) => (name === gone ? away : env.GATEWAY.getByName(name)) }
    const some = Object.assign({ ...env }, { GATEWAY: gateways })
    const text = await (await app.fetch(new Request('http://parley/metrics'), some, createExecutionContext())).text()
    expect(expositionFaults(text)).toEqual([])
    expect(text).toContain('parley_up{holder="apac/0"} 0\n')
    expect(text).toContain('parley_up{holder="weur/0"} 1\n')
    expect(text).not.toContain('parley_gateway_sockets{gateway="apac/0"}')
  })
})

describe('the operator', () => {
  test('sees the clockwork and turns it by hand', async () => {
    const { body } = await call('GET /admin/v1/cron', { as: operatorKey })
    expect(body['entries']).toEqual(schedule.map(({ name, cron }) => ({ name, cron })))
    const ran = await call('POST /admin/v1/cron/never', { as: operatorKey })
    expect(ran.status).toBe(404)
  })

  test('names tenants like DNS labels', async () => {
    for (const id of ['Upper', 'a_b', '-a', 'x'.repeat(64)])
      expect((await call(`PUT /admin/v1/tenants/${id}`, { as: operatorKey, body: { name: 'x' } })).status).toBe(404)
  })
})

describe('the gateway of a connection', () => {
  /** The gateway to which the edge sends a client, when there are sixteen gateways per region. */
  const gatewayOf = async (query: string, headers: Record<string, string> = {}, cf = {}) => {
    const asked: string[] = []
    const gateways = { getByName: (name: string) => ({ fetch: () => (asked.push(name), new Response('here')) }) }
    const request = new Request(`http://parley/connection/websocket${query}`, {
      headers: { upgrade: 'websocket', ...headers },
      cf,
    })
    await connect(
      request,
      Object.assign({ ...env }, { GATEWAY: gateways, GATEWAYS_PER_REGION: '16' }),
      createExecutionContext(),
    )
    return asked[0]
  }

  const tokenOf = (user: string, now: number) =>
    signToken(
      { id: 'k', secret: 'x'.repeat(43), algorithm: 'HS256' },
      { tenant: 'acme', user, expiresAt: now + 1000 },
      now,
    )

  test('is the same for a user with any token, and spread over users', async () => {
    const [old, fresh] = [await tokenOf('alice', 1e12), await tokenOf('alice', 2e12)]
    expect(await gatewayOf(`?token=${old}`)).toBe(await gatewayOf(`?token=${fresh}`))
    const users = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => gatewayOf(`?token=${await tokenOf(`user${n}`, 1e12)}`)),
    )
    expect(new Set(users).size).toBeGreaterThan(8)
  })

  test('is in the region of the caller, and the same for an address', async () => {
    const address = { 'cf-connecting-ip': '203.0.113.7' }
    expect(await gatewayOf('', address, { continent: 'EU' })).toMatch(/^weur\/\d+$/)
    expect(await gatewayOf('', address, { continent: 'OC' })).toMatch(/^apac\/\d+$/)
    expect(await gatewayOf('', address)).toMatch(/^enam\/\d+$/)
    expect(await gatewayOf('', address)).toBe(await gatewayOf('', address))
  })
})

import { issuingKey } from '../../src/tenants/signing-keys.ts'
import { SignJWT } from 'jose'
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { signToken } from '../../src/auth/token.ts'
import { call } from '../support/worker/http.ts'
import { isPing, Line, spoken } from '../support/worker/line.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, operatorKey, type TestTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())

/** Moves the clock that the actors read; their alarms are rung by hand. */
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

/** All that a line was told, but for pings. */
const saidOn = (line: Line) => line.frames.flat().filter((heard) => !isPing(heard))

const tokenKeyOf = async (tenant: TestTenant) =>
  issuingKey((await env.TENANT.getByName(tenant.id).admission())!.secrets.tokenKeys)!

describe('connecting', () => {
  test('a user is given the user id, the limits, and the position of the personal stream', async () => {
    const tenant = await newTenant()
    const { welcome } = await connectAs(tenant, 'alice')
    expect(welcome).toMatchObject({
      client: expect.stringMatching(/^[\w-]{12}$/),
      expires: true,
      ping: 25,
      pong: true,
      data: { user: 'alice', tenant: tenant.id, time: expect.any(Number), limits: { textBytes: 16_384 } },
      subs: {
        'user:#alice': { recoverable: true, positioned: true, offset: expect.any(Number), epoch: expect.any(String) },
      },
    })
    expect(welcome.ttl).toBeGreaterThan(3500)
  })

  test('subscribes pipelined behind the connect, in the same frame, are answered after it', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const line = await Line.open()
    const channel = `conversation:${lunch}`
    const [connect, subscribe] = line.say(
      { connect: { token: await tenant.token('alice') } },
      { subscribe: { channel } },
    )
    await line.replyTo(subscribe!)
    expect(saidOn(line).map(({ id }) => id)).toEqual([connect, subscribe])
  })

  test('hundreds of commands in one frame behind the connect are all answered', async () => {
    const tenant = await newTenant()
    const line = await Line.open()
    const leave = Array.from({ length: 400 }, (_, n) => ({ unsubscribe: { channel: `conversation:${n}` } }))
    const ids = line.say({ connect: { token: await tenant.token('alice') } }, ...leave)
    for (const id of ids) expect((await line.replyTo(id)).error).toBeUndefined()
  })

  test('a second connect ends the connection', async () => {
    const { line } = await connectAs(await newTenant(), 'alice')
    line.say({ connect: { token: 'again' } })
    expect(await line.closed()).toEqual({ code: 3501, reason: 'bad request' })
  })

  test('anything before the connect ends the connection', async () => {
    const line = await Line.open()
    line.say({ subscribe: { channel: 'conversation:x' } })
    expect(await line.closed()).toMatchObject({ code: 3501 })
  })

  test('a client that does not connect within ten seconds is sent away', async () => {
    const gateway = 'stale/0'
    const line = await Line.open(gateway)
    later(10_001)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    expect(await line.closed()).toEqual({ code: 3502, reason: 'stale' })
  })

  test('a client that answers no ping is sent away, any other goes on receiving pings', async () => {
    const tenant = await newTenant()
    const gateway = 'pings/0'
    const { line } = await connectAs(tenant, 'alice', { gateway })
    later(25_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    await line.next('a ping', isPing)
    later(50_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    expect(await line.closed()).toEqual({ code: 3012, reason: 'no pong' })
  })

  test.runIf(spoken.format === 'json')(
    'a pong is answered by the runtime with a push that every SDK ignores',
    async () => {
      const { line } = await connectAs(await newTenant(), 'alice')
      line.sayRaw('{}')
      await line.next('the answer to a pong', ({ push }) => push?.channel === '_')
    },
  )

  test('an offered subprotocol is echoed', async () => {
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': 'centrifuge-json' }
    const answer = await env.GATEWAY.getByName('echo/0').fetch('http://parley/connection/websocket', { headers })
    expect(answer.headers.get('sec-websocket-protocol')).toBe('centrifuge-json')
    answer.webSocket!.accept()
    answer.webSocket!.close(1000)
  })

  test('a plain request to the endpoint is answered with what the endpoint is', async () => {
    const { status, headers } = await call('GET /connection/websocket')
    expect([status, headers.get('upgrade')]).toEqual([426, 'websocket'])
  })
})

describe('tokens', () => {
  const closesWith = async (token: string) => {
    const line = await Line.open()
    line.say({ connect: { token } })
    return (await line.closed()).code
  }

  test('none at all is a bad request', async () => {
    expect(await closesWith('')).toBe(3501)
  })

  test('a text that is no token, or of no tenant, ends the connection for good', async () => {
    expect(await closesWith('nonsense')).toBe(3500)
    expect(await closesWith('a.b.c')).toBe(3500)
    const key = { id: 'k', secret: 'x'.repeat(43), algorithm: 'HS256' as const }
    const claims = { tenant: 'no-one-here', user: 'alice', expiresAt: Date.now() + 60_000 }
    expect(await closesWith(await signToken(key, claims, Date.now()))).toBe(3500)
  })

  test('one signed with another key ends the connection for good', async () => {
    const tenant = await newTenant()
    const { id } = await tokenKeyOf(tenant)
    const claims = { tenant: tenant.id, user: 'alice', expiresAt: Date.now() + 60_000 }
    const forged = await signToken({ id, secret: 'y'.repeat(43), algorithm: 'HS256' }, claims, Date.now())
    expect(await closesWith(forged)).toBe(3500)
  })

  test('one without a user is not valid', async () => {
    const tenant = await newTenant()
    const { id, secret } = await tokenKeyOf(tenant)
    const token = await new SignJWT({ tid: tenant.id })
      .setProtectedHeader({ alg: 'HS256', kid: id })
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(secret))
    expect(await closesWith(token)).toBe(3500)
  })

  test('an expired token gets its own code, so that the SDK fetches another, and nothing behind it is obeyed', async () => {
    const tenant = await newTenant()
    const token = await tenant.token('alice', 1)
    later(2000)
    const line = await Line.open()
    const [connect] = line.say({ connect: { token } }, { subscribe: { channel: 'user:#alice' } })
    expect(await line.replyTo(connect!)).toMatchObject({ error: { code: 109 } })
    expect(saidOn(line)).toHaveLength(1)
  })
})

describe('a token that begins in the future', () => {
  const beginningIn = async (tenant: TestTenant, seconds: number) => {
    const { id, secret } = await tokenKeyOf(tenant)
    const now = Math.floor(Date.now() / 1000)
    return await new SignJWT({ tid: tenant.id, nbf: now + seconds })
      .setProtectedHeader({ alg: 'HS256', kid: id })
      .setSubject('alice')
      .setExpirationTime(now + 3600)
      .sign(new TextEncoder().encode(secret))
  }

  test('opens a connection when it begins two seconds from now', async () => {
    const tenant = await newTenant()
    await connectAs(tenant, 'alice', { token: await beginningIn(tenant, 2) })
  })

  test('is answered 109 when it begins later, so that the SDK comes back with another', async () => {
    const tenant = await newTenant()
    const line = await Line.open()
    const { error } = await line.ask({ connect: { token: await beginningIn(tenant, 600) } })
    expect(error).toMatchObject({ code: 109 })
  })

  test('ends a connection that shows it at a refresh so that it is opened anew', async () => {
    const tenant = await newTenant()
    const { line } = await connectAs(tenant, 'alice')
    line.say({ refresh: { token: await beginningIn(tenant, 600) } })
    expect(await line.closed()).toMatchObject({ code: 3005 })
  })
})

describe('refreshing', () => {
  test('a new token of the same user prolongs the connection', async () => {
    const tenant = await newTenant()
    const alice = await connectAs(tenant, 'alice', { token: await tenant.token('alice', 60) })
    const { refresh } = await alice.line.ask({ refresh: { token: await tenant.token('alice', 600) } })
    expect(refresh).toMatchObject({ client: alice.client, expires: true })
    expect(refresh!.ttl).toBeGreaterThan(500)
  })

  test('a token of another user ends the connection for good', async () => {
    const tenant = await newTenant()
    const { line } = await connectAs(tenant, 'alice')
    line.say({ refresh: { token: await tenant.token('mallory') } })
    expect(await line.closed()).toMatchObject({ code: 3500 })
  })

  test('a token of another tenant’s user of the same name ends it too', async () => {
    const { line } = await connectAs(await newTenant(), 'alice')
    line.say({ refresh: { token: await (await newTenant()).token('alice') } })
    expect(await line.closed()).toMatchObject({ code: 3500 })
  })

  test('no token is a bad request, an expired one ends the connection so that it is opened anew', async () => {
    const tenant = await newTenant()
    const [one, two] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'alice')]
    one.line.say({ refresh: {} })
    expect(await one.line.closed()).toMatchObject({ code: 3501 })
    const token = await tenant.token('alice', 1)
    later(5000)
    two.line.say({ refresh: { token } })
    expect(await two.line.closed()).toMatchObject({ code: 3005 })
  })

  test('a client that never refreshes is ended after the grace', async () => {
    const tenant = await newTenant()
    const gateway = 'expiry/0'
    const { line } = await connectAs(tenant, 'alice', { gateway, token: await tenant.token('alice', 20) })
    later(50_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    expect(await line.closed()).toEqual({ code: 3005, reason: 'connection expired' })
  })
})

test('the operator’s routes stay closed to every other caller', async () => {
  expect((await call('GET /admin/v1/cron', { as: 'not-the-operator' })).status).toBe(401)
  expect((await call('GET /admin/v1/cron', { as: operatorKey })).status).toBe(200)
})

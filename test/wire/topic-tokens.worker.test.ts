import { issuingKey } from '../../src/tenants/signing-keys.ts'
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { SignJWT } from 'jose'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { call } from '../support/worker/http.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import type { Line } from '../support/worker/line.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import {
  alsoOf,
  connect,
  lively,
  namespace,
  ownGateway,
  published,
  ticketFor,
  tokenFor,
} from '../support/worker/topics.ts'
import { isPing, Line as NewLine } from '../support/worker/line.ts'

afterEach(() => void vi.useRealTimers())

const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
const ring = async (gateway: string) => await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))

/** A token as the tenant's own server makes it with its key, by whatever library. */
async function forged(tenant: TestTenant, claims: object): Promise<string> {
  const { secrets } = (await env.TENANT.getByName(tenant.id).admission())!
  return await new SignJWT({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(issuingKey(secrets.tokenKeys)!.secret))
}

const channel = '$orders:42'

/** Alice on a gateway without other users, and a namespace. */
async function story(more: object = {}) {
  const tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
  const gateway = ownGateway()
  const alice = await connect(await tokenFor(tenant, 'alice', more), gateway)
  return { tenant, gateway, alice }
}

describe('a subscription token', () => {
  test('opens its channel, and gives its end and what others see of it', async () => {
    const { tenant, alice } = await story({ info: { name: 'Alice' } })
    expect(await alice.ask({ subscribe: { channel } })).toMatchObject({ error: { code: 103 } })
    const token = await ticketFor(tenant, 'alice', channel, { ttlSeconds: 60, info: { seat: 4 } })
    const { subscribe } = await alice.ask({ subscribe: { channel, token } })
    expect(subscribe).toMatchObject({ recoverable: true, expires: true, ttl: expect.any(Number) })
    const infos = { user: 'alice', conn_info: { name: 'Alice' }, chan_info: { seat: 4 } }
    const { presence } = await alice.ask({ presence: { channel } })
    expect(Object.values(presence!.presence)).toMatchObject([infos])
    await alice.ask({ publish: { channel, data: 1 } })
    expect((await published(alice, channel)).info).toMatchObject(infos)
  })

  test('that lasts ends with nothing', async () => {
    const { tenant, alice } = await story()
    const token = await ticketFor(tenant, 'alice', channel, { lasting: true })
    expect((await alice.ask({ subscribe: { channel, token } })).subscribe).not.toHaveProperty('expires')
  })

  test.each([
    [109, { exp: 1 }],
    [103, { sub: 'alice', channel, info: 'x'.repeat(2000) }],
  ])('is refused with %i where it says %o', async (code, claims) => {
    const { tenant, alice } = await story()
    const token = await forged(tenant, { sub: 'alice', channel, ...claims })
    expect(await alice.ask({ subscribe: { channel, token } })).toMatchObject({ error: { code } })
  })

  test('signed with another key is refused', async () => {
    const { alice } = await story()
    const other = await newTenant()
    const token = await ticketFor(other, 'alice', channel)
    expect(await alice.ask({ subscribe: { channel, token } })).toMatchObject({ error: { code: 103 } })
    expect(await alice.ask({ subscribe: { channel, token: 'x.y.z' } })).toMatchObject({ error: { code: 103 } })
  })

  test.each([
    ['another channel', { channel: '$orders:43' }],
    ['another user', { sub: 'bob' }],
    ['another connection', { client: 'another user' }],
  ])('for %s ends the connection for good', async (_, claims) => {
    const { tenant, alice } = await story()
    alice.say({ subscribe: { channel, token: await forged(tenant, { sub: 'alice', channel, ...claims }) } })
    expect(await alice.closed()).toMatchObject({ code: 3500 })
  })

  test('is no connection token, and the other way round', async () => {
    const { tenant, alice } = await story()
    const line = await NewLine.open()
    line.say({ connect: { token: await ticketFor(tenant, 'alice', channel) } })
    expect(await line.closed()).toMatchObject({ code: 3500 })
    expect(await alice.ask({ subscribe: { channel, token: await tenant.token('alice') } })).toMatchObject({
      error: { code: 103 },
    })
  })

  test('without a renewal ends its subscription 25 seconds after its time, and not before', async () => {
    const { tenant, alice, gateway } = await story()
    // On a whole second, which is what tokens count in; stopped before the distance to one is read.
    stopClock()
    pass(1000 - (Date.now() % 1000))
    await alice.ask({ subscribe: { channel, token: await ticketFor(tenant, 'alice', channel, { ttlSeconds: 30 }) } })
    pass(54_999)
    await ring(gateway)
    expect(ends(await alsoOf(alice, channel))).toEqual([])
    pass(1)
    await ring(gateway)
    expect(ends(await alsoOf(alice, channel))).toEqual([{ code: 2501, reason: 'subscription expired' }])
    // Ends of subscriptions gather for some milliseconds before they leave for the topic.
    const here = async () => (await call('POST /api/presence', { as: tenant.key, body: { channel } })).body['result']
    await expect.poll(here).toEqual({ presence: {} })
  })

  test('is renewed by another, also while the gateway slept in between', async () => {
    const { tenant, alice, gateway } = await story()
    const token = (ttlSeconds: number) => ticketFor(tenant, 'alice', channel, { ttlSeconds, info: 'seat' })
    await alice.ask({ subscribe: { channel, token: await token(30) } })
    await putToSleep(env.GATEWAY.getByName(gateway))
    const { sub_refresh } = await alice.ask({ sub_refresh: { channel, token: await token(3600) } })
    expect(sub_refresh).toMatchObject({ expires: true, ttl: expect.any(Number) })
    later(70_000)
    await ring(gateway)
    expect(ends(await alsoOf(alice, channel))).toEqual([])
    const { presence } = await alice.ask({ presence: { channel } })
    expect(Object.values(presence!.presence)).toMatchObject([{ chan_info: 'seat' }])
  })

  test('is renewed by none that is expired, forged or another’s', async () => {
    const { tenant, alice } = await story()
    const token = await ticketFor(tenant, 'alice', channel)
    expect(await alice.ask({ sub_refresh: { channel, token } })).toMatchObject({ error: { code: 103 } })
    await alice.ask({ subscribe: { channel, token } })
    expect(await alice.ask({ sub_refresh: { channel, token: 'x.y.z' } })).toMatchObject({ error: { code: 103 } })
    alice.say({ sub_refresh: { channel, token: await ticketFor(tenant, 'bob', channel) } })
    expect(await alice.closed()).toMatchObject({ code: 3500 })
  })

  test('that is expired or not valid yet is answered temporarily at a renewal, so that the SDK tries another', async () => {
    const { tenant, alice } = await story()
    await alice.ask({ subscribe: { channel, token: await ticketFor(tenant, 'alice', channel) } })
    const now = Math.floor(Date.now() / 1000)
    for (const times of [{ exp: 1 }, { exp: now + 900, nbf: now + 600 }]) {
      const token = await forged(tenant, { sub: 'alice', channel, ...times })
      const { error } = await alice.ask({ sub_refresh: { channel, token } })
      expect(error).toMatchObject({ code: 109, temporary: true })
    }
    const { presence } = await alice.ask({ presence: { channel } })
    expect(Object.keys(presence!.presence)).toHaveLength(1)
  })

  test('may bring joins and leaves that were not asked for', async () => {
    const { tenant, alice } = await story()
    const override = { force_push_join_leave: { value: true } }
    const token = await forged(tenant, { sub: 'alice', channel, override })
    await alice.ask({ subscribe: { channel, token } })
    await alice.next(
      'the join of the subscriber itself',
      ({ push }) => push?.channel === channel && push.join !== undefined,
    )
  })
})

test('a subscription token may keep its connection out of presence, and its join unpublished', async () => {
  const { tenant, alice } = await story()
  const override = { presence: { value: false }, join_leave: { value: false } }
  const hears = { force_push_join_leave: { value: true } }
  const token = await forged(tenant, { sub: 'alice', channel, override: { ...override, ...hears } })
  await alice.ask({ subscribe: { channel, token } })
  const { presence } = await alice.ask({ presence: { channel } })
  expect(presence!.presence).toEqual({})
  expect((await alice.rest()).filter(({ push }) => push?.join !== undefined)).toEqual([])
})

describe('the subscriptions of a connection token', () => {
  /** Connects with claims of the tenant's own making. */
  const arrive = async (tenant: TestTenant, claims: object, subs: object = {}) => {
    const line = await NewLine.open(ownGateway())
    const token = await forged(tenant, { tid: tenant.id, sub: 'alice', ...claims })
    return { line, answer: await line.ask({ connect: { token, subs } }) }
  }

  test('is subscribed with the connect, whatever the namespace allows', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', { historySize: 5 })
    const lunch = await tenant.group('alice')
    const subs = { '$orders:1': { data: { hello: 1 }, info: { seat: 1 } } }
    const { line, answer } = await arrive(tenant, { channels: [`conversation:${lunch}`, 'cursors'], subs })
    expect(answer.connect!.subs).toMatchObject({
      '$orders:1': { recoverable: true, offset: 0, data: { hello: 1 } },
      [`conversation:${lunch}`]: { recoverable: true, offset: 0 },
      'user:#alice': { recoverable: true },
      cursors: {},
    })
    expect(await line.ask({ subscribe: { channel: 'cursors' } })).toMatchObject({ error: { code: 105 } })
  })

  test('recovers from where the client stood', async () => {
    const { tenant, alice } = await story()
    await alice.ask({ publish: { channel: 'orders:1', data: 1 } })
    const { history } = await alice.ask({ history: { channel: 'orders:1', limit: 0 } })
    await alice.ask({ publish: { channel: 'orders:1', data: 2 } })
    const stood = { 'orders:1': { recover: true, offset: 1, epoch: history!.epoch } }
    const { answer } = await arrive(tenant, { channels: ['orders:1'] }, stood)
    expect(answer.connect!.subs['orders:1']).toMatchObject({
      was_recovering: true,
      recovered: true,
      offset: 1,
      publications: [{ offset: 2, data: 2 }],
    })
  })

  test('comes before anything said there meanwhile', async () => {
    const { tenant, alice } = await story()
    const channels = Array.from({ length: 20 }, (_, n) => `orders:${n}`)
    const line = await NewLine.open(ownGateway())
    const [id] = line.say({ connect: { token: await forged(tenant, { tid: tenant.id, sub: 'bob', channels }) } })
    for (let n = 0; n < 20; n++) alice.say({ publish: { channel: `orders:${n % 20}`, data: n } })
    await line.replyTo(id!)
    expect(line.frames.flat().find((heard) => !isPing(heard))?.id).toBe(id)
  })

  test('that cannot be is refused by name, and nothing of it stays', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', lively)
    const { answer } = await arrive(tenant, { channels: ['orders:1', 'nowhere:1'] })
    expect(answer).toMatchObject({ error: { code: 102, message: expect.stringContaining('nowhere:1') } })
    const alice = await connect(await tenant.token('bob'))
    const present = async () => (await alice.ask({ presence_stats: { channel: 'orders:1' } })).presence_stats
    await expect.poll(present).toMatchObject({ num_clients: 0 })
  })

  test('is never a personal stream', async () => {
    const tenant = await newTenant()
    for (const name of ['user:#alice', 'user:#bob'])
      expect((await arrive(tenant, { channels: [name] })).answer).toMatchObject({ error: { code: 103 } })
  })

  test('begins anew with the connection when its place is lost, since SDKs do not renew it', async () => {
    const { tenant, alice } = await story()
    const { line } = await arrive(tenant, { channels: ['orders:1'] })
    const topic = env.TOPIC.getByName(`${tenant.id}/orders:1`)
    const { runInDurableObject } = await import('cloudflare:test')
    await runInDurableObject(topic, (_, { storage }) => {
      storage.sql.exec("UPDATE facts SET value = 'another' WHERE name = 'epoch'")
    })
    await putToSleep(topic)
    await alice.ask({ publish: { channel: 'orders:1', data: 1 } })
    expect(await line.closed()).toMatchObject({ code: 3010 })
  })
})

test('a connection that would have to remember too much is refused with the reason, and those it has stay', async () => {
  const { tenant, alice } = await story()
  const info = 'x'.repeat(1000)
  const answers = []
  for (let n = 0; n < 20; n++) {
    const name = `$orders:${n}`
    answers.push(
      await alice.ask({ subscribe: { channel: name, token: await ticketFor(tenant, 'alice', name, { info }) } }),
    )
  }
  const codes = answers.map(({ error }) => error?.code ?? 0)
  expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0))
  expect(codes.at(-1)).toBe(106)
  await alice.ask({ publish: { channel: '$orders:0', data: 'still there' } })
  await published(alice, '$orders:0')
})

/** The ends of subscriptions among what was heard. */
const ends = (heard: Awaited<ReturnType<Line['rest']>>) => heard.flatMap(({ push }) => push?.unsubscribe ?? [])

import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { Streamed } from '../support/worker/streamed.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { lively, namespace, ownGateway, published } from '../support/worker/topics.ts'
import type { Heard } from '../support/worker/wire.ts'

// No field of the server API that means something is ignored without a word: it is honoured, or refused with 107.

let tenant: TestTenant

afterEach(() => void vi.useRealTimers())

beforeAll(async () => {
  tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
  await namespace(tenant, 'passing', { allow: lively.allow })
  await namespace(tenant, 'unrecovered', { ...lively, recovery: false })
  await namespace(tenant, 'forced', { ...lively, forcePushJoinLeave: true })
})

const fresh = (name = 'orders') => `${name}:${crypto.randomUUID()}`

const answer = z.object({
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string(), detail: z.string().optional() }).optional(),
})

const api = async (method: string, params: object) =>
  answer.parse((await call(`POST /api/${method}`, { headers: { 'x-api-key': tenant.key }, body: params })).body)

const done = async (method: string, params: object) => {
  const { result, error } = await api(method, params)
  expect(error).toBeUndefined()
  return result ?? {}
}

const refused = async (method: string, params: object) => (await api(method, params)).error

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

/** The push that a connection was subscribed by the server. */
const subscribed = async ({ line }: Person, channel: string) =>
  (await line.next('the subscription', ({ push }) => push?.channel === channel && push.subscribe !== undefined)).push!
    .subscribe!

const hasEnded = (channel: string) => (heard: Heard) =>
  heard.push?.channel === channel && heard.push.unsubscribe !== undefined

describe('publish and broadcast', () => {
  test('drop what is not newer than the version that was published last, in each epoch of versions', async () => {
    const channel = fresh()
    const publish = async (data: unknown, more: object) => (await done('publish', { channel, data, ...more }))['offset']
    expect(await publish('a', { version: 5 })).toBe(1)
    expect(await publish('same', { version: 5 })).toBe(1)
    expect(await publish('older', { version: 4 })).toBe(1)
    expect(await publish('without', {})).toBe(2)
    expect(await publish('older still', { version: 5 })).toBe(2)
    expect(await publish('b', { version: 6 })).toBe(3)
    expect(await publish('other epoch', { version: 1, version_epoch: 'e2' })).toBe(4)
    expect(await publish('older there', { version: 1, version_epoch: 'e2' })).toBe(4)
    expect(await publish('the last epoch', { version: 1 })).toBe(4)
    const { publications } = await done('history', { channel, limit: -1 })
    expect(publications).toMatchObject([{ data: 'a' }, { data: 'without' }, { data: 'b' }, { data: 'other epoch' }])

    const other = fresh()
    const many = { channels: [channel, other], data: 'c', version: 1, version_epoch: 'e2' }
    expect(await done('broadcast', many)).toMatchObject({
      responses: [{ result: { offset: 4 } }, { result: { offset: 1 } }],
    })
  })

  test('refuse a version where no version is kept, and an epoch of none', async () => {
    const passing = fresh('passing')
    expect(await refused('publish', { channel: passing, data: 1, version: 1 })).toMatchObject({ code: 107 })
    expect(await refused('publish', { channel: fresh(), data: 1, version_epoch: 'e' })).toMatchObject({ code: 107 })
    expect(await refused('publish', { channel: fresh(), data: 1, version: 2 ** 60 })).toMatchObject({ code: 107 })
    expect(await done('publish', { channel: passing, data: 1, version: 0, version_epoch: '' })).toBeDefined()
  })

  test('keep a publication out of the history that is to skip it, and publish it to the subscribers', async () => {
    const channel = fresh()
    const { line } = await connectAs(tenant, 'alice')
    await line.ask({ subscribe: { channel } })
    await done('publish', { channel, data: 'passing', skip_history: true })
    await done('publish', { channel, data: 'kept' })
    expect(await published(line, channel)).toEqual({ data: 'passing' })
    expect(await published(line, channel)).toMatchObject({ offset: 1, data: 'kept' })
    expect((await done('history', { channel, limit: -1 }))['publications']).toHaveLength(1)
  })

  test('prefer b64data to data, as Centrifugo does', async () => {
    const channel = fresh()
    await done('publish', { channel, data: '', b64data: btoa('{"a":1}') })
    await done('publish', { channel, data: [1], b64data: '' })
    expect(await done('history', { channel, limit: -1 })).toMatchObject({
      publications: [{ data: { a: 1 } }, { data: [1] }],
    })
  })
})

describe('subscribe', () => {
  test('with expire_at ends then, without the time that a client has to renew its own', async () => {
    const gateway = ownGateway()
    const channel = fresh()
    const alice = await connectAs(tenant, 'expiring', { gateway })
    await done('subscribe', { user: 'expiring', channel, expire_at: inSeconds(60) })
    await subscribed(alice, channel)
    stopClock()
    pass(55_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    expect((await alice.line.rest()).some(hasEnded(channel))).toBe(false)
    pass(6_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    await alice.line.next('the end', hasEnded(channel))
    await done('publish', { channel, data: 1 })
    expect((await alice.line.rest()).filter(({ push }) => push?.channel === channel)).toEqual([])
    expect(await refused('subscribe', { user: 'expiring', channel, expire_at: 1 })).toMatchObject({ code: 107 })
  })

  test('again renews what the server granted before', async () => {
    const gateway = ownGateway()
    const channel = fresh()
    const alice = await connectAs(tenant, 'renewing', { gateway })
    await done('subscribe', { user: 'renewing', channel, expire_at: inSeconds(60), info: 'first' })
    await done('subscribe', { user: 'renewing', channel, expire_at: inSeconds(600), info: 'second' })
    stopClock()
    pass(100_000)
    await runDurableObjectAlarm(env.GATEWAY.getByName(gateway))
    expect(await done('presence', { channel })).toMatchObject({
      presence: { [alice.client]: { chan_info: 'second' } },
    })
  })

  test('with recover_since brings what was published since', async () => {
    const channel = fresh()
    const { epoch } = await done('publish', { channel, data: 1 })
    for (const data of [2, 3]) await done('publish', { channel, data })
    const alice = await connectAs(tenant, 'recovering')
    await done('subscribe', { user: 'recovering', channel, recover_since: { offset: 1, epoch } })
    expect(await subscribed(alice, channel)).toMatchObject({ recoverable: true, offset: 1, epoch })
    await done('publish', { channel, data: 4 })
    for (const offset of [2, 3, 4]) expect(await published(alice.line, channel)).toMatchObject({ offset, data: offset })

    const passing = fresh('passing')
    expect(
      await refused('subscribe', { user: 'recovering', channel: passing, recover_since: { offset: 1, epoch: '' } }),
    ).toMatchObject({ code: 107, detail: expect.stringContaining('recover_since') })
  })

  test('takes info and data in base64', async () => {
    const channel = fresh()
    const alice = await connectAs(tenant, 'encoded')
    await done('subscribe', {
      user: 'encoded',
      channel,
      info: '',
      b64info: btoa('{"seat":4}'),
      b64data: btoa('{"hello":1}'),
    })
    expect(await subscribed(alice, channel)).toMatchObject({ data: { hello: 1 } })
    expect(await done('presence', { channel })).toMatchObject({
      presence: { [alice.client]: { chan_info: { seat: 4 } } },
    })
    for (const more of [
      { b64info: '%' },
      { b64data: '%' },
      { b64info: btoa('x'.repeat(1100)) },
      { info: 'x'.repeat(1100) },
    ])
      expect(await refused('subscribe', { user: 'encoded', channel, ...more })).toMatchObject({ code: 107 })
  })

  test('may keep a subscription out of presence, and its joins and leaves unpublished', async () => {
    const channel = fresh()
    const watcher = await connectAs(tenant, 'watcher')
    await watcher.line.ask({ subscribe: { channel, join_leave: true } })
    const ghost = await connectAs(tenant, 'ghost')
    const override = { presence: { value: false }, join_leave: { value: false } }
    await done('subscribe', { user: 'ghost', channel, override })
    expect(await done('presence', { channel })).toEqual({
      presence: { [watcher.client]: { user: 'watcher', client: watcher.client } },
    })
    expect(await done('presence_stats', { channel })).toEqual({ num_clients: 1, num_users: 1 })
    await done('unsubscribe', { user: 'ghost', channel })
    await ghost.line.next('the end', hasEnded(channel))
    await done('publish', { channel, data: 'after' })
    const told = async () => (await watcher.line.next('news', ({ push }) => push?.channel === channel)).push
    expect(await told()).toMatchObject({ join: { info: { user: 'watcher' } } })
    expect(await told()).toMatchObject({ pub: { data: 'after' } })
  })

  test('may publish joins and leaves where the namespace does not, and push them to subscribers that do not ask', async () => {
    const channel = fresh('passing')
    const watcher = await connectAs(tenant, 'attentive')
    const hears = { force_push_join_leave: { value: true } }
    await done('subscribe', { user: 'attentive', channel, override: hears })
    await connectAs(tenant, 'loud')
    await done('subscribe', { user: 'loud', channel, override: { join_leave: { value: true } } })
    const joined = await watcher.line.next('a join', ({ push }) => push?.join !== undefined)
    expect(joined.push).toMatchObject({ channel, join: { info: { user: 'loud' } } })
  })

  test('may give positions without recovery, and recovery where the namespace has none', async () => {
    const alice = await connectAs(tenant, 'placed')
    const orders = {
      plain: {},
      positioned: { force_positioning: { value: true } },
      recoverable: { force_recovery: { value: true } },
    }
    const results: Record<string, unknown> = {}
    for (const [name, override] of Object.entries(orders)) {
      const channel = fresh('unrecovered')
      await done('subscribe', { user: 'placed', channel, override })
      results[name] = await subscribed(alice, channel)
    }
    expect(results['plain']).toEqual({})
    expect(results['positioned']).toEqual({ positioned: true, epoch: expect.any(String), offset: 0 })
    expect(results['recoverable']).toMatchObject({ recoverable: true, positioned: true })
  })

  test('takes the flags of gocent as what they are called today', async () => {
    const channel = fresh('unrecovered')
    const alice = await connectAs(tenant, 'gopher')
    await done('subscribe', {
      user: 'gopher',
      channel,
      presence: true,
      join_leave: true,
      recover: true,
      position: true,
    })
    expect(await subscribed(alice, channel)).toMatchObject({ recoverable: true, positioned: true })
  })

  test('refuses for a conversation what its members cannot be: hidden', async () => {
    const lunch = await tenant.group('alice')
    for (const override of [{ presence: { value: false } }, { join_leave: { value: false } }])
      expect(await refused('subscribe', { user: 'alice', channel: `conversation:${lunch}`, override })).toMatchObject({
        code: 107,
        detail: expect.stringContaining('override.'),
      })
  })
})

describe('a namespace with forcePushJoinLeave', () => {
  test('publishes joins and leaves to its subscribers, whether they ask or not', async () => {
    const channel = fresh('forced')
    const alice = await connectAs(tenant, 'alice')
    await alice.line.ask({ subscribe: { channel } })
    const bob = await connectAs(tenant, 'bob')
    await bob.line.ask({ subscribe: { channel } })
    const ofBob = (kind: 'join' | 'leave') => (heard: Heard) =>
      heard.push?.channel === channel && heard.push[kind]?.info.user === 'bob'
    await alice.line.next('the join', ofBob('join'))
    await bob.line.ask({ unsubscribe: { channel } })
    await alice.line.next('the leave', ofBob('leave'))
  })
})

describe('refresh', () => {
  test('to a time that has passed ends at once', async () => {
    const gateway = ownGateway()
    const alice = await connectAs(tenant, 'past', { gateway })
    await done('refresh', { user: 'past', expire_at: inSeconds(-1) })
    expect(await env.GATEWAY.getByName(gateway).tenantStats(tenant.id)).toMatchObject({ clients: 0 })
    expect((await alice.line.closed()).code).toBe(3005)
  })

  test('with info changes what others see of the connection', async () => {
    const channel = fresh()
    const alice = await connectAs(tenant, 'informed')
    await alice.line.ask({ subscribe: { channel } })
    await done('refresh', { user: 'informed', expire_at: inSeconds(600), info: { mood: 'new' } })
    expect(await done('presence', { channel })).toMatchObject({
      presence: { [alice.client]: { conn_info: { mood: 'new' } } },
    })
  })
})

describe('disconnect', () => {
  test('takes the fields of gocent, whose names begin with a capital', async () => {
    const [kept, ended] = [await connectAs(tenant, 'go'), await connectAs(tenant, 'go')]
    await done('disconnect', {
      user: 'go',
      Disconnect: { code: 4001, reason: 'moved', reconnect: false },
      ClientWhitelist: [kept.client],
    })
    expect(await ended.line.closed()).toEqual({ code: 4001, reason: 'moved' })
    expect(await kept.line.rest()).toEqual([])
    await done('disconnect', { user: 'go', Disconnect: null, ClientWhitelist: null })
    expect((await kept.line.closed()).code).toBe(3503)
  })

  test('takes a code alone, and refuses a reconnect flag that the code contradicts', async () => {
    const alice = await connectAs(tenant, 'coded')
    const end = (disconnect: object) => refused('disconnect', { user: 'coded', disconnect })
    expect(await end({ code: 3500, reason: 'x', reconnect: true })).toMatchObject({ code: 107 })
    expect(await end({ code: 0, reason: 'only words' })).toMatchObject({ code: 107 })
    expect(await end({ code: 4002, reason: '' })).toBeUndefined()
    expect(await alice.line.closed()).toEqual({ code: 4002, reason: expect.stringMatching(/\w/) })
    const other = await connectAs(tenant, 'coded')
    expect(await end({ code: 0, reason: '', reconnect: false })).toBeUndefined()
    expect((await other.line.closed()).code).toBe(3503)
  })
})

describe('a session', () => {
  test('is one connection of a client without a WebSocket, and no other is touched', async () => {
    const alice = await connectAs(tenant, 'paired')
    const stream = await Streamed.open('lines', { id: 1, connect: { token: await tenant.token('paired') } })
    const { connect } = await stream.replyTo(1)
    const channel = fresh()
    const on = (session: string, method: string, more: object = {}) =>
      done(method, { user: 'paired', session, ...more })
    for (const [method, more] of [
      ['disconnect', {}],
      ['refresh', { expired: true }],
      ['unsubscribe', { channel: '' }],
      ['subscribe', { channel }],
    ] as const)
      expect(await on('of-another', method, more)).toEqual({})
    await on(connect!.session!, 'subscribe', { channel })
    await stream.next('the subscription', ({ push }) => push?.channel === channel)
    await on(connect!.session!, 'disconnect')
    await stream.next('the end', ({ push }) => push?.disconnect?.code === 3503)
    expect(await alice.line.rest()).toEqual([])
  })
})

describe('a channel', () => {
  test('of no namespace, or that keeps no history, is said to be so where nothing would happen', async () => {
    for (const method of ['subscribe', 'unsubscribe'])
      expect(await refused(method, { user: 'away', channel: 'nowhere:1' })).toMatchObject({ code: 102 })
    expect(await refused('history_remove', { channel: fresh('passing') })).toMatchObject({ code: 108 })
    expect(await done('unsubscribe', { user: 'away', channel: '' })).toEqual({})
  })
})

test('presence is read by the server also where clients may not ask for it', async () => {
  const channel = fresh('passing')
  const alice = await connectAs(tenant, 'alice')
  await alice.line.ask({ subscribe: { channel } })
  expect((await alice.line.ask({ presence: { channel } })).error).toMatchObject({ code: 108 })
  expect(await done('presence_stats', { channel })).toEqual({ num_clients: 1, num_users: 1 })
})

describe('an error', () => {
  test('is a status where the header asks for Centrifugo’s transport mode', async () => {
    const statuses: unknown[] = []
    for (const [method, params] of [
      ['publish', { channel: 'nowhere:1', data: 1 }],
      ['publish', { channel: '' }],
      ['dance', {}],
      ['history', { channel: fresh('passing') }],
      ['history', { channel: fresh(), since: { epoch: 'x' } }],
    ] as const) {
      const headers = { 'x-api-key': tenant.key, 'x-centrifugo-error-mode': 'transport' }
      const { status, body } = await call(`POST /api/${method}`, { headers, body: params })
      statuses.push([status, body['code']])
    }
    expect(statuses).toEqual([
      [404, 102],
      [400, 107],
      [404, 104],
      [400, 108],
      [416, 112],
    ])
  })
})

describe('a field that this server does not know', () => {
  test('is refused where it means something, and left out where it is empty', async () => {
    const channel = fresh()
    const publish = { channel, data: 1 }
    expect(await refused('publish', { ...publish, ttl: 5 })).toEqual({
      code: 107,
      message: 'bad request',
      detail: expect.stringContaining('ttl'),
    })
    for (const nothing of [null, false, 0, '', [], {}])
      expect(await done('publish', { ...publish, ttl: nothing })).toBeDefined()
    for (const [method, more] of [
      ['subscribe', { channel }],
      ['unsubscribe', { channel }],
      ['disconnect', {}],
      ['refresh', { expire_at: inSeconds(60) }],
    ] as const)
      for (const wide of [{ all_users: true }, { label_filter: { op: 'eq', key: 'a', val: 'b' } }])
        expect(await refused(method, { user: '', ...more, ...wide })).toMatchObject({ code: 107 })
    expect(await refused('channels', { pattern: '{a,b}:*' })).toMatchObject({ code: 107 })
    const { body } = await call('POST /api/batch', {
      as: tenant.key,
      body: { commands: [null, { publish, broadcast: { channels: [channel], data: 1 } }, { publish, info: null }] },
    })
    expect(body).toMatchObject({
      replies: [{ error: { code: 107 } }, { error: { code: 107 } }, { publish: { offset: expect.any(Number) } }],
    })
  })
})

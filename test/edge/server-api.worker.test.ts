import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { GivenJson } from '../../src/protocol/given-json.ts'
import { answer as runMethod } from '../../src/edge/server-api/commands.ts'
import { matchesPattern, serverApiRequests } from '../../src/protocol/server-api.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { lively, namespace, published, tokenFor } from '../support/worker/topics.ts'

// Centrifugo's server API: what its server libraries send and expect.

let tenant: TestTenant

beforeAll(async () => {
  tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
})

const answer = z.object({
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string(), detail: z.string().optional() }).optional(),
})
const page = z.object({ publications: z.array(z.object({ data: z.number() })) })
const overview = z.object({ nodes: z.array(z.object({ num_clients: z.number(), num_channels: z.number() })) })

/** Calls a method with a key, as libraries do. */
async function api(method: string, params: object, key = tenant.key) {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const { status, body } = await call(`POST /api/${method}`, { headers, body: params })
  return { status, ...answer.parse(body) }
}

const fresh = () => `orders:${crypto.randomUUID()}`

/** A client that is subscribed to a channel. */
async function listener(user: string, channel: string, gateway?: string) {
  const person = await connectAs(tenant, user, gateway === undefined ? {} : { gateway })
  const { error } = await person.line.ask({ subscribe: { channel, join_leave: true } })
  if (error !== undefined) throw new Error(error.message)
  return person
}

describe('publishing', () => {
  test('reaches who listens, with tags, and says where it stands', async () => {
    const channel = fresh()
    const { line } = await listener('alice', channel)
    const { status, result } = await api('publish', { channel, data: { total: 3 }, tags: { kind: 'new' } })
    expect({ status, result }).toEqual({ status: 200, result: { offset: 1, epoch: expect.any(String) } })
    expect(await published(line, channel)).toEqual({ offset: 1, data: { total: 3 }, tags: { kind: 'new' } })
  })

  test('twice with one idempotency key is once', async () => {
    const channel = fresh()
    const once = { channel, data: 1, idempotency_key: 'k' }
    const [first, again] = [await api('publish', once), await api('publish', once)]
    expect(again.result).toEqual(first.result)
    expect((await api('history', { channel, limit: 10 })).result!['publications']).toHaveLength(1)
  })

  test('takes bytes in base64, JSON or not', async () => {
    const channel = fresh()
    for (const [index, data] of ['{"a":1}', 'no json', '\xff\xfe'].entries())
      expect((await api('publish', { channel, b64data: btoa(data) })).result).toMatchObject({ offset: index + 1 })
    expect((await api('publish', { channel, b64data: '%%%' })).error).toMatchObject({ code: 107, detail: /b64data/ })
    expect((await api('publish', { channel })).error).toMatchObject({ code: 107, detail: /data/ })
  })

  test('takes null, as on the wire, and nothing nested without end', async () => {
    const channel = fresh()
    expect((await api('publish', { channel, data: null })).result).toMatchObject({ offset: 1 })
    const deep = '['.repeat(20_000) + ']'.repeat(20_000)
    const said = {
      error: { code: 107, message: 'bad request', detail: expect.stringMatching(/data: nested at most 32 levels/) },
    }
    for (const [method, raw] of [
      ['publish', `{"channel":"${channel}","data":${deep}}`],
      ['publish', `{"channel":"${channel}","b64data":"${btoa(deep)}"}`],
      ['broadcast', `{"channels":["${channel}"],"data":${deep}}`],
      ['subscribe', `{"channel":"${channel}","user":"alice","data":${deep}}`],
    ] as const)
      expect((await call(`POST /api/${method}`, { headers: { 'x-api-key': tenant.key }, raw })).body).toEqual(said)
  })

  test('to many channels answers for each', async () => {
    const [one, two] = [fresh(), fresh()]
    const { result } = await api('broadcast', { channels: [one, 'nowhere:1', two], data: 'x' })
    expect(result!['responses']).toEqual([
      { result: { offset: 1, epoch: expect.any(String) } },
      { error: { code: 102, message: 'unknown channel', detail: expect.stringContaining('nowhere') } },
      { result: { offset: 1, epoch: expect.any(String) } },
    ])
  })

  test('to many channels of which one cannot be reached answers for each as well', async () => {
    const [lost, reached] = [fresh(), fresh()]
    const away = { execute: () => Promise.reject(new Error('away')) }
    const find = (name: string) => (name.endsWith(lost) ? away : env.TOPIC.getByName(name))
    const TOPIC = new Proxy(env.TOPIC, {
      get: (_, property: string) => (property === 'getByName' ? find : undefined),
    })
    const complaints = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const body = { channels: [lost, reached], data: 1 }
    const said = await runMethod(
      { ...env, TOPIC },
      { kind: 'server', tenant: tenant.id, keyId: 'test' },
      'broadcast',
      new GivenJson(body, JSON.stringify(body)),
    )
    expect(complaints).toHaveBeenCalledOnce()
    complaints.mockRestore()
    expect(answer.parse(JSON.parse(said)).result?.['responses']).toEqual([
      { error: { code: 100, message: 'internal server error', detail: expect.stringContaining('try again') } },
      { result: { offset: 1, epoch: expect.any(String) } },
    ])
  })

  test('to a conversation, an inbox or a job is refused, and says where the way is', async () => {
    const lunch = await tenant.group('alice')
    for (const channel of [`conversation:${lunch}`, 'user:#alice', 'jobs:1'])
      expect((await api('publish', { channel, data: 1 })).error).toMatchObject({ code: 108 })
    expect((await api('publish', { channel: `conversation:${lunch}`, data: 1 })).error!.detail).toContain('/messages')
  })
})

describe('looking', () => {
  test('presence lists connections, stats count them, also in a conversation', async () => {
    const channel = fresh()
    const [alice, phone] = [await listener('alice', channel, 'enam/0'), await listener('alice', channel, 'weur/0')]
    const { result } = await api('presence', { channel })
    expect(result!['presence']).toMatchObject({
      [alice.client]: { user: 'alice', client: alice.client },
      [phone.client]: { user: 'alice', client: phone.client },
    })
    expect((await api('presence_stats', { channel })).result).toEqual({ num_clients: 2, num_users: 1 })
    const lunch = await tenant.group('alice')
    await alice.subscribe(lunch)
    expect((await api('presence_stats', { channel: `conversation:${lunch}` })).result).toMatchObject({ num_clients: 1 })
  })

  test('history pages forward and backward, and can be removed', async () => {
    const channel = fresh()
    for (let n = 1; n <= 5; n++) await api('publish', { channel, data: n })
    const numbers = async (params: object) => {
      const { result } = await api('history', { channel, ...params })
      return page.parse(result).publications.map(({ data }) => data)
    }
    expect(await numbers({ limit: 2, since: { offset: 2 } })).toEqual([3, 4])
    expect(await numbers({ limit: 2, reverse: true })).toEqual([5, 4])
    expect(await numbers({})).toEqual([])
    expect((await api('history', { channel, limit: 1, since: { offset: 1, epoch: 'other' } })).error!.code).toBe(112)
    expect((await api('history_remove', { channel })).result).toEqual({})
    expect(await numbers({ limit: 10 })).toEqual([])
    const lunch = await tenant.group('alice')
    await tenant.postMany(lunch, 'alice', 2)
    const messages = await api('history', { channel: `conversation:${lunch}`, limit: 10 })
    expect(messages.result).toMatchObject({ offset: 2, publications: [{ offset: 1 }, { offset: 2 }] })
    expect((await api('history_remove', { channel: `conversation:${lunch}` })).error!.code).toBe(108)
  })

  test('channels and info show the tenant’s own and no other’s', async () => {
    const [mine, theirs] = [await newTenant(), await newTenant()]
    await namespace(mine, 'orders', lively)
    const { line } = await connectAs(mine, 'alice')
    await line.ask({ subscribe: { channel: 'orders:secret' } })
    const channels = await api('channels', { pattern: 'orders:*' }, mine.key)
    expect(channels.result).toEqual({ channels: { 'orders:secret': { num_clients: 1 } } })
    expect((await api('channels', {}, theirs.key)).result).toEqual({ channels: {} })
    const clients = async (key: string) => {
      const { nodes } = overview.parse((await api('info', {}, key)).result)
      return nodes.reduce((sum, { num_clients, num_channels }) => sum + num_clients + num_channels, 0)
    }
    expect(await clients(mine.key)).toBe(3)
    expect(await clients(theirs.key)).toBe(0)
  })
})

describe('a user’s connections', () => {
  test('are subscribed on every gateway and notified, and unsubscribed for good', async () => {
    const channel = fresh()
    const devices = [
      await connectAs(tenant, 'sue', { gateway: 'server-api/0' }),
      await connectAs(tenant, 'sue', { gateway: 'server-api/1' }),
    ]
    expect((await api('subscribe', { user: 'sue', channel, data: { hello: 1 } })).result).toEqual({})
    for (const { line } of devices) {
      const told = await line.next('the subscription', ({ push }) => push?.channel === channel)
      expect(told.push).toMatchObject({ channel, subscribe: { recoverable: true, offset: 0, data: { hello: 1 } } })
    }
    await api('publish', { channel, data: 'x' })
    for (const { line } of devices) expect(await published(line, channel)).toMatchObject({ data: 'x' })

    expect((await api('unsubscribe', { user: 'sue', channel, client: devices[0]!.client })).result).toEqual({})
    const ended = await devices[0]!.line.next('the end', ({ push }) => push?.unsubscribe !== undefined)
    expect(ended.push!.unsubscribe).toMatchObject({ code: 2000 })
    await api('publish', { channel, data: 'y' })
    expect(await published(devices[1]!.line, channel)).toMatchObject({ data: 'y' })
    expect((await devices[0]!.line.rest()).filter(({ push }) => push?.channel === channel)).toEqual([])
  })

  test('may not be subscribed to what they may not receive', async () => {
    await connectAs(tenant, 'eve')
    const lunch = await tenant.group('alice')
    expect((await api('subscribe', { user: 'eve', channel: `conversation:${lunch}` })).error!.code).toBe(103)
    expect((await api('subscribe', { user: 'eve', channel: 'user:#alice' })).error).toBeDefined()
    expect((await api('subscribe', { user: 'eve', channel: 'nowhere:1' })).error!.code).toBe(102)
  })

  test('are ended with the usual code or one’s own, but for those that are spared', async () => {
    const [desk, phone] = [
      await connectAs(tenant, 'tom', { gateway: 'server-api/0' }),
      await connectAs(tenant, 'tom', { gateway: 'server-api/1' }),
    ]
    await api('disconnect', { user: 'tom', whitelist: [phone.client] })
    expect(await desk.line.closed()).toEqual({ code: 3503, reason: 'force disconnect' })
    await api('disconnect', { user: 'tom', disconnect: { code: 4010, reason: 'moved house' } })
    expect(await phone.line.closed()).toEqual({ code: 4010, reason: 'moved house' })
    expect((await api('disconnect', { user: 'tom', disconnect: { code: 1000, reason: 'x' } })).error!.code).toBe(107)
  })

  test('are all meant where a library names the client "" or null, as it does unless one is given', async () => {
    const channel = fresh()
    const { line } = await connectAs(tenant, 'una', { gateway: 'server-api/0' })
    await api('subscribe', { user: 'una', channel, client: '' })
    await line.next('the subscription', ({ push }) => push?.channel === channel)
    await api('publish', { channel, data: 1, tags: null, idempotency_key: '' })
    await api('publish', { channel, data: 2, b64data: null, idempotency_key: '' })
    for (const data of [1, 2]) expect((await published(line, channel)).data).toBe(data)
    await api('unsubscribe', { user: 'una', channel, client: null })
    await line.next('the end', ({ push }) => push?.unsubscribe !== undefined)
    await api('disconnect', { user: 'una', client: '', whitelist: null, disconnect: null })
    expect((await line.closed()).code).toBe(3503)
  })

  test('are prolonged or ended by refresh', async () => {
    const short = await tenant.token('ann', 30)
    const ann = await connectAs(tenant, 'ann', { token: short })
    expect((await api('refresh', { user: 'ann', expire_at: Math.floor(Date.now() / 1000) + 900 })).result).toEqual({})
    expect(await ann.line.rest()).toEqual([])
    await api('refresh', { user: 'ann', expired: true })
    expect((await ann.line.closed()).code).toBe(3005)
  })

  test('may be anonymous ones, too: those are subscribed, refreshed and disconnected', async () => {
    const open = await newTenant()
    await namespace(open, 'news', { historySize: 1 })
    await call('PATCH /v1/settings', { as: open.key, body: { anonymous: true } })
    const arrival = { gateway: 'weur/0', token: await tokenFor(open, '', {}) }
    const [one, other] = [await connectAs(open, '', arrival), await connectAs(open, '', arrival)]
    const ask = (method: string, params: object) => api(method, { user: '', ...params }, open.key)
    expect((await ask('subscribe', { channel: 'news:today' })).result).toEqual({})
    for (const { line } of [one, other])
      await line.next('the subscription', ({ push }) => push?.channel === 'news:today')
    expect((await ask('disconnect', { client: one.client })).result).toEqual({})
    expect((await one.line.closed()).code).toBe(3503)
    expect(await other.line.rest()).toEqual([])
    expect((await ask('refresh', { expired: true })).result).toEqual({})
    expect((await other.line.closed()).code).toBe(3005)
  })

  test('of another tenant’s user of the same name are not touched', async () => {
    const other = await newTenant()
    const alice = await connectAs(other, 'alice')
    for (const [method, params] of [
      ['disconnect', { user: 'alice' }],
      ['unsubscribe', { user: 'alice', channel: '' }],
      ['refresh', { user: 'alice', expired: true }],
    ] as const)
      expect((await api(method, params)).result).toEqual({})
    expect(await alice.line.rest()).toEqual([])
  })
})

describe('the door', () => {
  test('is shut without a key, with a wrong one and with a user’s token', async () => {
    expect((await call('POST /api/info', { body: {} })).status).toBe(401)
    expect((await api('info', {}, 'nonsense')).status).toBe(401)
    expect((await api('info', {}, await tenant.token('alice'))).status).toBe(401)
  })

  test('takes a key however libraries show it, and the older envelope', async () => {
    const authorization = `apikey ${tenant.key}`
    expect((await call('POST /api/info', { headers: { authorization }, raw: '' })).status).toBe(200)
    const body = { method: 'channels', params: { pattern: 'nothing*' } }
    expect((await call('POST /api', { headers: { authorization }, body })).body).toEqual({ result: { channels: {} } })
  })

  test('says what is wrong in the API’s own form', async () => {
    expect(await api('dance', {})).toMatchObject({ status: 200, error: { code: 104 } })
    for (const method of Object.keys(serverApiRequests).filter((name) => name !== 'info' && name !== 'channels'))
      expect(await api(method, { channel: 7, channels: [], user: 7 })).toMatchObject({
        status: 200,
        error: { code: 107, message: 'bad request', detail: expect.stringMatching(/^\w+: \w/) },
      })
  })
})

test('a batch runs its commands in order and answers each', async () => {
  const channel = fresh()
  const commands = [
    { publish: { channel, data: 1 } },
    { publish: { channel, data: 2 } },
    { history: { channel, limit: 10 } },
    { dance: {} },
    { publish: { channel: '' } },
  ]
  const batch = async (params: object) => (await call('POST /api/batch', { as: tenant.key, body: params })).body
  // cent, Centrifugo's library for Python, reads the replies of a batch there, and has no use for a result.
  expect(await batch({ commands })).toEqual({
    replies: [
      { publish: { offset: 1, epoch: expect.any(String) } },
      { publish: { offset: 2, epoch: expect.any(String) } },
      { history: expect.objectContaining({ offset: 2 }) },
      { error: expect.objectContaining({ code: 104 }) },
      { error: expect.objectContaining({ code: 107 }) },
    ],
  })
  const one = { parallel: true, commands: commands.slice(2, 3) }
  expect(await batch(one)).toEqual({ replies: [{ history: expect.objectContaining({ offset: 2 }) }] })
})

test('patterns match with stars', () => {
  for (const [name, pattern, matches] of [
    ['orders:1', '', true],
    ['orders:1', '*', true],
    ['orders:1', 'orders:*', true],
    ['orders:1', 'o*:*1', true],
    ['orders:1', 'orders', false],
    ['aXa', 'a*a', true],
    ['a', 'a*a', false],
    ['orders:1', 'cursors:*', false],
  ] as const)
    expect(matchesPattern(name, pattern)).toBe(matches)
})

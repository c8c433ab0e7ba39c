import { describe, expect, test, vi } from 'vitest'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { alsoOf, connect, lively, namespace, ownGateway, published, tokenFor } from '../support/worker/topics.ts'

const code = (answer: { readonly error?: { readonly code: number } }) => answer.error?.code ?? 0

describe('names', () => {
  test.each([
    [102, 'orders:42'],
    [102, '$orders:42'],
    [107, 'orders:a/b'],
    [107, 'a b'],
    [103, 'orders'],
    [103, '$orders'],
    [103, '#alice'],
  ])('%i answers a subscribe to %s, where nothing is configured', async (expected, channel) => {
    const tenant = await newTenant()
    const nobody = await connect(await tenant.token('bob'))
    expect(code(await nobody.ask({ subscribe: { channel } }))).toBe(expected)
    expect(code(await nobody.ask({ publish: { channel, data: 1 } }))).toBe(expected)
  })

  test('no name at all ends the connection', async () => {
    const line = await connect(await (await newTenant()).token('alice'))
    line.say({ subscribe: { channel: '' } })
    expect(await line.closed()).toMatchObject({ code: 3501 })
  })

  test('tenants with the same names never meet', async () => {
    const [mine, theirs] = [await newTenant(), await newTenant()]
    for (const tenant of [mine, theirs]) await namespace(tenant, 'orders', lively)
    const [here, there] = [await connect(await mine.token('alice')), await connect(await theirs.token('alice'))]
    for (const line of [here, there]) await line.ask({ subscribe: { channel: 'orders:1' } })
    await there.ask({ publish: { channel: 'orders:1', data: 'secret' } })
    await published(there, 'orders:1')
    expect((await alsoOf(here, 'orders:1')).filter(({ push }) => push?.pub)).toEqual([])
    expect(await here.ask({ presence_stats: { channel: 'orders:1' } })).toMatchObject({
      presence_stats: { num_clients: 1 },
    })
    expect((await here.ask({ history: { channel: 'orders:1', limit: 9 } })).history?.publications).toEqual([])
  })
})

describe('capabilities', () => {
  test('open what they name and nothing else', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', { historySize: 5, presence: true })
    const capabilities = [
      { channels: ['orders:4*'], allow: ['sub', 'hst'] },
      { channels: ['orders:42', 'cursors'], allow: ['pub', 'prs'] },
    ]
    const alice = await connect(await tokenFor(tenant, 'alice', { capabilities }))
    const may = async (channel: string) => [
      code(await alice.ask({ subscribe: { channel } })),
      code(await alice.ask({ publish: { channel, data: 1 } })),
      code(await alice.ask({ history: { channel, limit: 1 } })),
      code(await alice.ask({ presence: { channel } })),
    ]
    expect(await may('orders:42')).toEqual([0, 0, 0, 0])
    // A subscriber may read the history and see presence.
    expect(await may('orders:43')).toEqual([0, 103, 0, 0])
    expect(await may('orders:5')).toEqual([103, 103, 103, 103])
    expect(await may('cursors')).toEqual([103, 0, 108, 108])
  })

  test('are remembered while the gateway sleeps', async () => {
    const { env } = await import('cloudflare:workers')
    const tenant = await newTenant()
    const gateway = ownGateway()
    const capabilities = [{ channels: ['cursors'], allow: ['sub', 'pub'] }]
    const info = { name: 'Alice' }
    const alice = await connect(await tokenFor(tenant, 'alice', { capabilities, info }), gateway)
    await alice.ask({ subscribe: { channel: 'cursors' } })
    await putToSleep(env.GATEWAY.getByName(gateway))
    expect(await alice.ask({ publish: { channel: 'cursors', data: { x: 1 } } })).toMatchObject({ publish: {} })
    expect(await published(alice, 'cursors')).toMatchObject({ data: { x: 1 }, info: { conn_info: info } })
  })

  test.each([
    [
      'more than a connection remembers',
      [{ channels: Array.from({ length: 50 }, () => 'x'.repeat(200)), allow: ['sub'] }],
    ],
    ['an action that is none', [{ channels: ['a'], allow: ['fly'] }]],
    ['no channel', [{ channels: [], allow: ['sub'] }]],
  ])('that are %s get no token', async (_, capabilities) => {
    const tenant = await newTenant()
    const answer = await call('POST /v1/tokens', { as: tenant.key, body: { user: 'alice', capabilities } })
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toMatch(/^capabilities/)
  })
})

describe('namespaces', () => {
  const change = async (allow: object, ...more: object[]) => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', Object.assign({ allow }, ...more))
    return tenant
  }

  test('may let every user in, but no anonymous one', async () => {
    const tenant = await change({ subscribe: 'users', publish: 'subscribers' })
    await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } })
    const nobody = await connect(await tokenFor(tenant, '', {}))
    const alice = await connect(await tenant.token('alice'))
    const channel = 'orders:1'
    expect(code(await nobody.ask({ subscribe: { channel } }))).toBe(103)
    expect(code(await alice.ask({ publish: { channel, data: 1 } }))).toBe(103)
    expect(code(await alice.ask({ subscribe: { channel } }))).toBe(0)
    expect(code(await alice.ask({ publish: { channel, data: 1 } }))).toBe(0)
  })

  test('may shut out even those with a capability, so that only the server speaks', async () => {
    const tenant = await change({ subscribe: 'anyone', publish: 'nobody' })
    const capabilities = [{ channels: ['*'], allow: ['pub'] }]
    const alice = await connect(await tokenFor(tenant, 'alice', { capabilities }))
    expect(code(await alice.ask({ publish: { channel: 'orders:1', data: 1 } }))).toBe(103)
  })

  test('are known at once to a client that was refused a moment before they were made', async () => {
    const tenant = await newTenant()
    const alice = await connect(await tenant.token('alice'), ownGateway())
    expect(code(await alice.ask({ subscribe: { channel: 'orders:1' } }))).toBe(102)
    await namespace(tenant, 'orders', lively)
    expect(code(await alice.ask({ subscribe: { channel: 'orders:1' } }))).toBe(0)
    expect(code(await alice.ask({ publish: { channel: 'orders:1', data: 1 } }))).toBe(0)
  })

  test('that admitted no client until a moment ago are asked for anew before a subscriber is refused', async () => {
    const tenant = await change({ subscribe: 'nobody' })
    const alice = await connect(await tenant.token('alice'), ownGateway())
    expect(code(await alice.ask({ subscribe: { channel: 'orders:1' } }))).toBe(103)
    await namespace(tenant, 'orders', lively)
    expect(code(await alice.ask({ subscribe: { channel: 'orders:1' } }))).toBe(0)
  })

  test('change without a deploy: ten seconds later at the latest every gateway applies it, also one that was not notified', async () => {
    const tenant = await change({ subscribe: 'users', publish: 'nobody' })
    const alice = await connect(await tenant.token('alice'))
    const ask = async () => code(await alice.ask({ publish: { channel: 'orders:1', data: 1 } }))
    expect(await ask()).toBe(103)
    await namespace(tenant, 'orders', { allow: { subscribe: 'users', publish: 'users' } })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_001 })
    try {
      expect(await ask()).toBe(0)
      expect((await call('DELETE /v1/namespaces/orders', { as: tenant.key })).status).toBe(204)
      vi.setSystemTime(Date.now() + 10_001)
      expect(await ask()).toBe(102)
    } finally {
      vi.useRealTimers()
    }
  })

  test('that begin or cease to keep history have their subscribers begin anew', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', { ...lively, historySize: 0 })
    const alice = await connect(await tenant.token('alice'))
    const channel = 'orders:1'
    expect((await alice.ask({ subscribe: { channel } })).subscribe).toEqual({})
    await namespace(tenant, 'orders', lively)
    // Bob's gateway is the first to hear of the change, and tells the topic with his publication.
    const bob = await connect(await tenant.token('bob'), ownGateway())
    await bob.ask({ publish: { channel, data: 1 } })
    const ended = await alice.next('the end', ({ push }) => push?.channel === channel && push.unsubscribe !== undefined)
    expect(ended.push?.unsubscribe).toEqual({ code: 2500, reason: 'insufficient state' })
    await bob.ask({ publish: { channel, data: 2 } })
    // An SDK that was told of no position subscribes without one.
    expect((await alice.ask({ subscribe: { channel } })).subscribe).toMatchObject({
      recoverable: true,
      recovered: true,
      publications: [
        { offset: 1, data: 1 },
        { offset: 2, data: 2 },
      ],
    })
    await bob.ask({ subscribe: { channel } })
    expect((await bob.ask({ history: { channel, limit: -1 } })).history).toMatchObject({ offset: 2 })
  })
})

describe('the anonymous', () => {
  test('are turned away for good until their tenant lets them in, and have no personal stream', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'news', {
      historySize: 1,
      presence: true,
      allow: { subscribe: 'anyone', presence: 'anyone' },
    })
    await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } })
    const token = await tokenFor(tenant, '', {})
    const line = await Line.open(ownGateway())
    const { connect: welcome } = await line.ask({ connect: { token } })
    expect(welcome).toMatchObject({ data: { user: '' }, subs: {} })
    expect(code(await line.ask({ subscribe: { channel: 'news:today' } }))).toBe(0)
    expect(code(await line.ask({ subscribe: { channel: 'user:#' } }))).not.toBe(0)
    expect(await line.ask({ presence_stats: { channel: 'news:today' } })).toMatchObject({
      presence_stats: { num_clients: 1, num_users: 1 },
    })
    const lunch = await tenant.group('alice')
    expect(code(await line.ask({ subscribe: { channel: `conversation:${lunch}` } }))).toBe(103)
    expect(code(await line.ask({ rpc: { method: 'conversation.join', data: { conversation: lunch } } }))).not.toBe(0)

    await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: false } })
    const late = await Line.open(ownGateway())
    late.say({ connect: { token } })
    expect(await late.closed()).toMatchObject({ code: 3500 })
  })
})

test('data that is missing or nested without end is a bad request', async () => {
  const tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
  const alice = await connect(await tenant.token('alice'))
  const channel = 'orders:1'
  expect(code(await alice.ask({ publish: { channel } }))).toBe(107)
  let deep: unknown = 1
  for (let n = 0; n < 40; n++) deep = [deep]
  expect(code(await alice.ask({ publish: { channel, data: deep } }))).toBe(107)
  expect(code(await alice.ask({ publish: { channel, data: null } }))).toBe(0)
  expect(code(await alice.ask({ publish: { channel, data: 1, type: 1 } }))).toBe(108)
})

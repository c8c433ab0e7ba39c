import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { eventually } from '../support/worker/bounded.ts'
import { pass, startClock, stopClock } from '../support/worker/clock.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

/** What an endpoint is sent, as far as these tests look at it. */
interface Event {
  readonly type: string
  readonly partitionkey?: string
  readonly data: { readonly text?: string; readonly message?: { readonly text: string } | string }
}

/** What operations of webhooks answer, as far as these tests look at it. */
interface Shown {
  readonly state: string
  readonly reason: string
  readonly secrets: readonly string[]
  readonly delivery: string
  readonly deliveries: readonly { readonly id: string }[]
  readonly events: number
}

/** One post to an endpoint. */
interface Post {
  readonly id: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly event: Event
}

/** Posts by the last part of the endpoint's path, and what it answers. */
const posts = new Map<string, Post[]>()
let answer: (post: Post) => Response = () => new Response(null, { status: 204 })

beforeEach(() => {
  postgresIsThere()
  const { fetch } = globalThis
  vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) => {
    const url = typeof input === 'string' ? input : ''
    if (!url.startsWith('https://shop.example/')) return await fetch(input, init)
    const headers = new Headers(init?.headers)
    const body = String(init?.body)
    const post = {
      id: headers.get('webhook-id') ?? '',
      body,
      headers: Object.fromEntries(headers),
      event: JSON.parse(body),
    }
    const name = url.split('/').at(-1) ?? ''
    posts.set(name, [...(posts.get(name) ?? []), post])
    return answer(post)
  })
})
afterEach(() => {
  answer = () => new Response(null, { status: 204 })
  startClock()
})
afterAll(() => {
  vi.unstubAllGlobals()
})

const shown = (given: Answer): Shown => {
  succeeded(given)
  return JSON.parse(given.text)
}

/** A tenant whose server has the webhook `crm`. */
async function tenantWithWebhook(rest: object = {}) {
  const tenant = await newTenant()
  const endpoint = crypto.randomUUID()
  const url = `https://shop.example/${endpoint}`
  const as = tenant.key
  const act = async (method: string, path = '', body?: object): Promise<Shown> => {
    const line = `${method} /v1/webhooks/crm${path}`
    return shown(await call(line, { as, ...(body === undefined ? {} : { body }) }))
  }
  return {
    tenant,
    act,
    received: () => posts.get(endpoint) ?? [],
    put: async (more: object = {}) => await act('PUT', '', { url, ...rest, ...more }),
    state: async () => await act('GET'),
    consumer: env.EVENT_CONSUMER.getByName(`${tenant.id}/webhook/crm`),
  }
}

/** The shard writers know whether the tenant has a webhook. */
async function shardsKnow(tenant: TestTenant): Promise<void> {
  const actor = env.TENANT.getByName(tenant.id)
  await eventually('shard writers that know', async () => {
    await runDurableObjectAlarm(actor)
    return await runInDurableObject(actor, (_, { storage }) => {
      const since = storage.kv.get<number>('publishedSince') ?? 0
      return storage.kv.get<string>('publishingNotified')?.startsWith(`${since} `) === true || undefined
    })
  })
}

/** Everything that happened in the conversation is in the topic. */
async function published(tenant: TestTenant, conversation: string): Promise<void> {
  const actor = tenant.actorOf(conversation)
  await eventually('events of the conversation', async () => {
    await runDurableObjectAlarm(actor)
    return await runInDurableObject(actor, async (_, { storage }) => {
      const facts = new Map(
        storage.sql
          .exec<{ name: string; value: string }>('SELECT name, value FROM facts')
          .toArray()
          .map(({ name, value }) => [name, value]),
      )
      const { top } = storage.sql.exec<{ top: number }>('SELECT coalesce(max(seq), 0) AS top FROM messages').one()
      const isThere = Number(facts.get('eventsSince') ?? 0) > 0 && Number(facts.get('eventsUpTo') ?? 0) >= top
      return (isThere && (facts.get('eventsExtra') ?? '') === '') || undefined
    })
  })
}

const textOf = ({ event: { type, data } }: Post): string =>
  (typeof data.message === 'object' ? data.message.text : data.text) ?? type

describe('a webhook', () => {
  test('gets what happens in conversations from the moment it is made, each event once, signed by Standard Webhooks', async () => {
    const { tenant, put, received, act } = await tenantWithWebhook({ ordered: true })
    const lunch = await tenant.group('alice', 'bob')
    await tenant.post(lunch, 'alice', 'before')
    expect(await put()).toMatchObject({ name: 'crm', state: 'active', ordered: true, lag: 0 })
    await shardsKnow(tenant)
    const sent = succeeded(await tenant.post(lunch, 'alice', 'Hungry?'))
    const as = tenant.key
    await call(`PATCH /v1/conversations/${lunch}/messages/${sent['seq']}`, { as, body: { text: 'Very hungry?' } })
    await call(`DELETE /v1/conversations/${lunch}/messages/${sent['seq']}`, { as })
    await call(`POST /v1/conversations/${lunch}/members`, { as, body: { members: ['carol'] } })
    await tenant.remove(lunch, 'carol')
    await call(`PATCH /v1/conversations/${lunch}`, { as, body: { name: 'Dinner' } })
    await published(tenant, lunch)
    const dinner = await tenant.group('dora', 'emil')
    await tenant.post(dinner, 'dora', 'Soup')
    await published(tenant, dinner)
    await call(`DELETE /v1/conversations/${dinner}`, { as })
    await eventually('the deletion', async () => {
      await runDurableObjectAlarm(tenant.actorOf(dinner))
      return received().some(({ event }) => event.type === 'conversation.deleted') || undefined
    })
    const typesOf = (conversation: string) =>
      received()
        .filter(({ event }) => event.partitionkey === conversation)
        .map(({ event }) => event.type)
    expect(typesOf(lunch)).toEqual([
      'message.created',
      'message.updated',
      'message.deleted',
      'member.added',
      'member.removed',
      'conversation.updated',
    ])
    expect(typesOf(dinner)).toEqual(['conversation.created', 'message.created', 'conversation.deleted'])
    const [post] = received()
    const { secrets } = await act('GET', '/secret')
    for (const secret of secrets)
      expect(new Webhook(secret).verify(post?.body ?? '', { ...post?.headers })).toEqual(post?.event)
    expect(post).toMatchObject({
      id: 'crm-1',
      event: {
        specversion: '1.0',
        source: `/conversations/${lunch}`,
        id: expect.stringMatching(/^[\w-]{8}\.2$/),
        subject: lunch,
        version: 1,
        data: { conversation: lunch, seq: 2, message: { user: 'alice' } },
      },
    })
    await expect.poll(() => act('GET')).toMatchObject({ state: 'active', lag: 0, waiting: 0 })
  })

  test('that is down for five days is disabled with a notice, and gets everything once enabled, in the order of each conversation', async () => {
    stopClock()
    const { tenant, put, received, act, state, consumer } = await tenantWithWebhook({ ordered: true })
    await put()
    await shardsKnow(tenant)
    const lunch = await tenant.group('alice', 'bob')
    const dinner = await tenant.group('dora', 'emil')
    answer = () => new Response('the database is away', { status: 500 })
    for (const n of [1, 2, 3]) {
      await tenant.post(lunch, 'alice', `lunch ${n}`)
      await tenant.post(dinner, 'dora', `dinner ${n}`)
    }
    await published(tenant, lunch)
    await published(tenant, dinner)
    await expect.poll(state).toMatchObject({ state: 'failing', reason: 'the endpoint answered 500' })
    await abortAllDurableObjects()
    const disabled = await eventually('the end of five days', async () => {
      pass(6 * 3_600_000)
      await runDurableObjectAlarm(consumer)
      const view = await state()
      return view.state === 'disabled' ? view : undefined
    })
    expect(disabled.reason).toMatch(/^nothing but failures since 20.*: the endpoint answered 500$/)
    const tried = received().length
    const page = await eventually('the notice', async () => {
      await runDurableObjectAlarm(consumer)
      const { text } = await call('GET /v1/events?topic=$parley&limit=500', { as: tenant.key })
      const read: { readonly events: readonly Event[] } = JSON.parse(text)
      return read.events.some(({ type }) => type === 'webhook.disabled') ? read : undefined
    })
    expect(page.events.at(-1)).toMatchObject({
      source: '/webhooks/crm',
      data: { webhook: 'crm', reason: disabled.reason },
    })
    expect(received()).toHaveLength(tried)
    const failed = await act('GET', '/deliveries')
    expect(failed.deliveries).toHaveLength(2)
    expect(failed.deliveries[0]).toMatchObject({ state: 'retrying', status: 500, answer: 'the database is away' })

    answer = () => new Response(null, { status: 204 })
    await tenant.post(lunch, 'alice', 'lunch 4')
    await published(tenant, lunch)
    await act('POST', '/enable')
    await expect.poll(state).toMatchObject({ state: 'active', lag: 0, waiting: 0 })
    const taken = received().slice(tried)
    const of = (conversation: string) => taken.filter(({ event }) => event.partitionkey === conversation).map(textOf)
    expect(of(lunch)).toEqual(['conversation.created', 'lunch 1', 'lunch 2', 'lunch 3', 'lunch 4'])
    expect(of(dinner)).toEqual(['conversation.created', 'dinner 1', 'dinner 2', 'dinner 3'])
    expect(new Set(taken.map(({ id }) => id)).size).toBe(taken.length)
  })

  test('gets each event at least once and in order while every part is killed, under one id', async () => {
    const { tenant, put, received, state } = await tenantWithWebhook({ ordered: true, events: ['message.created'] })
    await put()
    await shardsKnow(tenant)
    const lunch = await tenant.group('alice', 'bob')
    for (let n = 1; n <= 12; n++) {
      await tenant.post(lunch, 'alice', `message ${n}`)
      if (n % 3 === 0) await abortAllDurableObjects()
      else await runDurableObjectAlarm(tenant.actorOf(lunch))
    }
    await published(tenant, lunch)
    await expect.poll(state).toMatchObject({ lag: 0, waiting: 0 })
    const first = new Map(received().map((post) => [post.id, textOf(post)]))
    expect([...first.values()]).toEqual(Array.from({ length: 12 }, (_, n) => `message ${n + 1}`))
  })

  test('can be tested, paused, replayed, and asked to send one event again; its log shows what failed', async () => {
    const { tenant, put, received, act, state, consumer } = await tenantWithWebhook({ events: ['member.*'] })
    await put()
    await shardsKnow(tenant)
    const { delivery } = await act('POST', '/test')
    await expect.poll(() => received().length).toBe(1)
    const [ping] = received()
    expect(ping).toMatchObject({ id: delivery, event: { type: 'webhook.ping', data: { webhook: 'crm' } } })
    await expect
      .poll(async () => (await act('GET', '/deliveries')).deliveries)
      .toMatchObject([{ id: delivery, state: 'delivered', attempts: 1, status: 204, reason: null }])
    const lunch = await tenant.group('alice', 'bob')
    const as = tenant.key
    const from = Date.now()
    await call(`POST /v1/conversations/${lunch}/members`, { as, body: { members: ['carol'] } })
    await published(tenant, lunch)
    await expect.poll(() => received().length).toBe(2)
    expect(await act('POST', '/pause')).toMatchObject({ state: 'paused' })
    await tenant.remove(lunch, 'carol')
    await published(tenant, lunch)
    expect(await state()).toMatchObject({ state: 'paused', lag: 1 })
    expect(received()).toHaveLength(2)
    let failures = 1
    answer = () => (failures-- > 0 ? new Response('<b>no</b>', { status: 400 }) : new Response(null, { status: 204 }))
    await act('POST', '/enable')
    await expect.poll(() => received().length).toBe(3)
    const [failed] = (await act('GET', '/deliveries?state=retrying')).deliveries
    expect(failed).toMatchObject({ event: { type: 'member.removed' }, status: 400, answer: '<b>no</b>', attempts: 1 })
    expect(await act('POST', `/deliveries/${failed?.id}/retry`)).toEqual({ delivery: failed?.id })
    await expect.poll(state).toMatchObject({ state: 'active', waiting: 0, lag: 0 })
    expect((await act('GET', '/deliveries?state=retrying')).deliveries).toEqual([])

    const before = received().length
    const { events } = await act('POST', '/replay', { from, types: ['member.added'] })
    expect(events).toBeGreaterThanOrEqual(2)
    await eventually('the replay', async () => {
      await runDurableObjectAlarm(consumer)
      return received().length > before || undefined
    })
    await expect.poll(state).toMatchObject({ replays: 0, waiting: 0 })
    expect(
      received()
        .slice(before)
        .map(({ id, event }) => [id, event.type]),
    ).toEqual([[received()[1]?.id, 'member.added']])
  })

  test('gets that a run of a saga has ended, where its definition says so', async () => {
    const { tenant, put, received } = await tenantWithWebhook({ events: ['saga.*'] })
    const as = tenant.key
    const saga = {
      steps: [{ name: 'pay', wait: { signal: 'paid' }, timeoutSeconds: 600 }],
      publish: { topic: '$parley' },
    }
    succeeded(await call('PUT /v1/sagas/order', { as, body: saga }))
    await put()
    succeeded(await call('POST /v1/sagas/order/runs', { as, body: { id: 'order-1', input: { total: 20 } } }))
    succeeded(await call('POST /v1/saga-runs/order-1/cancel', { as, body: { reason: 'sold out' } }))
    await expect.poll(() => received().map(({ event }) => event.type)).toEqual(['saga.compensated'])
    expect(received()[0]?.event.data).toMatchObject({ saga: 'order', run: 'order-1', input: { total: 20 } })
  })

  test('signs with the old secret as well for a day after a rotation', async () => {
    const { put, received, act } = await tenantWithWebhook()
    await put()
    const [old] = (await act('GET', '/secret')).secrets
    const { secrets } = await act('POST', '/rotate-secret')
    expect(secrets).toEqual([expect.stringMatching(/^whsec_/), old])
    await act('POST', '/test')
    await expect.poll(() => received().length).toBe(1)
    const [post] = received()
    for (const secret of secrets)
      expect(new Webhook(secret).verify(post?.body ?? '', { ...post?.headers })).toEqual(post?.event)
  })

  test('that answers 410 is disabled at once', async () => {
    const { put, act, state } = await tenantWithWebhook()
    await put()
    answer = () => new Response(null, { status: 410 })
    await act('POST', '/test')
    await expect.poll(state).toMatchObject({ state: 'disabled', reason: 'the endpoint answered 410 Gone' })
    answer = () => new Response(null, { status: 204 })
    await act('POST', '/enable')
    await expect.poll(state).toMatchObject({ state: 'active', lag: 0, waiting: 0 })
  })

  test('is the only reason to publish: without one conversations publish nothing, and after the last one nothing more', async () => {
    const { tenant, put } = await tenantWithWebhook()
    const lunch = await tenant.group('alice', 'bob')
    const settings = async () =>
      await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) =>
        storage.sql.exec("SELECT name, value FROM facts WHERE name LIKE 'events%'").toArray(),
      )
    await tenant.post(lunch, 'alice', 'before')
    await eventually('Postgres', async () => {
      await runDurableObjectAlarm(tenant.actorOf(lunch))
      return await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => {
        const row = storage.sql.exec("SELECT value FROM facts WHERE name = 'projected'").toArray()[0]
        return row?.['value'] === '1' || undefined
      })
    })
    expect(await settings()).toEqual([])
    await put()
    await shardsKnow(tenant)
    await tenant.post(lunch, 'alice', 'after')
    await published(tenant, lunch)
    expect((await call('DELETE /v1/webhooks/crm', { as: tenant.key })).status).toBe(204)
    await shardsKnow(tenant)
    await tenant.post(lunch, 'alice', 'later')
    await eventually('a conversation that knows', async () => {
      await runDurableObjectAlarm(tenant.actorOf(lunch))
      const facts = await settings()
      return facts.some(({ name, value }) => name === 'eventsSince' && value === '0') || undefined
    })
    expect((await call('GET /v1/webhooks/crm', { as: tenant.key })).status).toBe(404)
    expect((await call('GET /v1/webhooks', { as: tenant.key })).body).toEqual({ webhooks: [] })
  })

  test('is refused with the field, the rule and the fix', async () => {
    const { tenant, put } = await tenantWithWebhook()
    const as = tenant.key
    const wrong: readonly (readonly [object, string])[] = [
      [{ url: 'http://shop.example/x' }, 'url: must begin with https://'],
      [{ url: 'https://10.0.0.1/x' }, 'url: must have a name, not an address'],
      [{ url: 'https://metadata.internal/x' }, 'url: metadata.internal is not a public name'],
      [
        { url: 'https://shop.example/x', events: ['message.sent'] },
        'events.0: no event has the type message.sent; one of message.created',
      ],
      [{ url: 'https://shop.example/x', parallel: 1000 }, 'parallel: '],
    ]
    for (const [body, detail] of wrong) {
      const refused = await call('PUT /v1/webhooks/crm', { as, body })
      expect([refused.status, refused.body['type']]).toEqual([400, '/docs/errors#invalid-request'])
      expect(refused.body['detail']).toContain(detail)
    }
    await put()
    for (let n = 2; n <= 20; n++)
      succeeded(await call(`PUT /v1/webhooks/crm-${n}`, { as, body: { url: 'https://shop.example/x' } }))
    const tooMany = await call('PUT /v1/webhooks/crm-21', { as, body: { url: 'https://shop.example/x' } })
    expect([tooMany.status, tooMany.body['detail']]).toEqual([
      409,
      'webhooks: at most 20, with the consumers of $parley; delete one first',
    ])
    expect((await call('POST /v1/events?topic=$parley', { as, body: { type: 'x' } })).status).toBe(400)
    expect((await call('GET /v1/consumers', { as })).body).toEqual({ consumers: [] })
    expect((await call('POST /v1/webhooks/crm/deliveries/other-1/retry', { as })).status).toBe(404)
    expect((await call('POST /v1/webhooks/crm/deliveries/crm-99/retry', { as })).status).toBe(404)
  })
})

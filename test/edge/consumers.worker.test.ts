import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { call } from '../support/worker/http.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

interface Post {
  readonly id: string
  readonly attempt: string | null
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Posts to the endpoint by the last part of its path, and what it answers. */
const posts = new Map<string, Post[]>()
let answer: (post: Post) => Response | Promise<Response> = () => new Response(null, { status: 204 })

beforeEach(() => {
  const { fetch } = globalThis
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const url = typeof input === 'string' ? input : ''
    if (!url.startsWith('https://consumer.example/')) return await fetch(input, init)
    const headers = new Headers(init?.headers)
    const post = {
      id: headers.get('webhook-id') ?? '',
      attempt: headers.get('parley-attempt'),
      body: String(init?.body),
      headers: Object.fromEntries(headers),
    }
    const name = url.split('/').at(-1) ?? ''
    posts.set(name, [...(posts.get(name) ?? []), post])
    return await answer(post)
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  answer = () => new Response(null, { status: 204 })
})

async function tenantWith(consumer: object) {
  const tenant = await newTenant()
  const as = tenant.key
  const endpoint = crypto.randomUUID()
  const created = await call('PUT /v1/consumers/billing', { as, body: consumer })
  expect(created).toMatchObject({ status: 200 })
  const act = async (line: string, body?: object) =>
    (await call(line.replace(' /', ' /v1/consumers/billing/'), { as, body })).body
  return {
    as,
    tenant,
    endpoint,
    publish: async (...events: object[]) => await call('POST /v1/events', { as, body: events }),
    state: async () => (await call('GET /v1/consumers/billing', { as })).body,
    act,
    pushTo: async (rest: object = {}) => {
      const body = { ...rest, push: { url: `https://consumer.example/${endpoint}` } }
      expect((await call('PUT /v1/consumers/billing', { as, body })).status).toBe(200)
    },
    posts: () => posts.get(endpoint) ?? [],
  }
}

const ofPost = ({ body }: Post): { readonly offset: number; readonly data: unknown } => JSON.parse(body)

describe('a consumer that is pushed', () => {
  test('gets each matching event once, signed by Standard Webhooks, and its position follows', async () => {
    const { publish, state, pushTo, posts: received, act } = await tenantWith({})
    await pushTo({ types: ['order.'] })
    await publish(
      { type: 'order.placed', key: 'a', data: { n: 1 } },
      { type: 'user.made' },
      { type: 'order.paid', key: 'a' },
    )
    await expect.poll(state).toMatchObject({ settled: 3, lag: 0, lagMs: 0, retrying: 0 })
    expect(received().map((post) => [post.id, post.attempt])).toEqual([
      ['billing/default/1', '1'],
      ['billing/default/3', '1'],
    ])
    const [first] = received()
    const secrets = (await act('GET /secret'))['secrets']
    const [secret] = Array.isArray(secrets) ? secrets : []
    expect(new Webhook(String(secret)).verify(first?.body ?? '', first?.headers ?? {})).toMatchObject({
      specversion: '1.0',
      offset: 1,
      data: { n: 1 },
    })
    expect(first?.headers['content-type']).toBe('application/cloudevents+json')
  })

  test('gets a failed event again with the same id, while other keys go on; after the last attempt it is a dead letter', async () => {
    const { publish, state, pushTo, posts: received, act } = await tenantWith({})
    answer = (post) => new Response(null, { status: ofPost(post).data === 'bad' ? 500 : 200 })
    await pushTo({ maxAttempts: 2 })
    await publish(
      { type: 't', key: 'a', data: 'bad' },
      { type: 't', key: 'a', data: 'behind' },
      { type: 't', key: 'b', data: 'other' },
    )
    await expect.poll(state).toMatchObject({ settled: 3, deadLetters: 1, retrying: 0 })
    expect(received().map((post) => ofPost(post).data)).toEqual(['bad', 'other', 'bad', 'behind'])
    expect(
      new Set(
        received()
          .filter((post) => ofPost(post).data === 'bad')
          .map(({ id }) => id),
      ).size,
    ).toBe(1)
    expect(await act('GET /dead-letters')).toMatchObject({
      deadLetters: [{ event: { offset: 1, data: 'bad' }, attempts: 2, reason: 'the endpoint answered 500' }],
      next: null,
    })
    answer = () => new Response(null, { status: 200 })
    expect(await act('POST /redrive', { limit: 10 })).toEqual({ count: 1 })
    await expect.poll(state).toMatchObject({ deadLetters: 0, retrying: 0 })
    expect(received().at(-1)?.id).toBe('billing/default/1')
  })

  test('gets events in the version it asks for; one whose upcaster fails is a dead letter, and the rest goes on', async () => {
    const { as, publish, state, pushTo, posts: received, act } = await tenantWith({})
    const put = (version: number, body: object) => call(`PUT /v1/event-types/paid/versions/${version}`, { as, body })
    await put(1, { schema: true })
    expect((await put(2, { schema: true, compatibility: 'none', upcast: '{cents: total * `100`}' })).status).toBe(201)
    await publish({ type: 'paid', version: 1, data: { total: 'x' } }, { type: 'paid', version: 1, data: { total: 3 } })
    await pushTo({ versions: { paid: 2 } })
    await expect.poll(state).toMatchObject({ settled: 2, deadLetters: 1 })
    expect(received().map((post) => ofPost(post))).toMatchObject([{ offset: 2, version: 2, data: { cents: 300 } }])
    expect(await act('GET /dead-letters')).toMatchObject({
      deadLetters: [{ event: { offset: 1, version: 1 }, reason: expect.stringMatching(/^upcast to version 2/) }],
    })
  })

  test('is not created with a version that its type does not have, or behind an offset that its topic does not have', async () => {
    const { as } = await tenantWith({})
    await call('PUT /v1/event-types/paid/versions/1', { as, body: { schema: true } })
    const put = async (body: object) => await call('PUT /v1/consumers/other', { as, body })
    expect(await put({ versions: { paid: 2 } })).toMatchObject({
      status: 400,
      body: { detail: 'versions.paid: the newest version is 1, got 2; register it first' },
    })
    expect(await put({ from: { offset: 7 } })).toMatchObject({
      status: 400,
      body: { detail: 'from.offset: the newest event of default has offset 0, got 7' },
    })
    expect((await call('GET /v1/consumers/other', { as })).status).toBe(404)
    expect((await put({ versions: { paid: 1 } })).status).toBe(200)
  })

  test('gets nothing while it is paused, goes on when it is resumed, and gets all again after a seek', async () => {
    const { publish, state, pushTo, posts: received, act } = await tenantWith({})
    await act('POST /pause')
    await pushTo()
    await publish({ type: 't' }, { type: 't' })
    expect(await state()).toMatchObject({ paused: true, lag: 2 })
    expect(received()).toEqual([])
    await act('POST /resume')
    await expect.poll(state).toMatchObject({ paused: false, settled: 2 })
    expect(await act('POST /seek', { to: { offset: 0 } })).toMatchObject({ generation: 2 })
    await expect.poll(state).toMatchObject({ settled: 2 })
    await expect.poll(() => received().map((post) => ofPost(post).offset)).toEqual([1, 2, 1, 2])
    expect(await act('POST /seek', { to: { offset: 3 } })).toMatchObject({
      detail: 'to.offset: the newest event of default has offset 2, got 3',
    })
    expect(await act('POST /seek', { to: { time: '2026' } })).toMatchObject({
      detail: expect.stringMatching(/^to: must be "earliest", "latest", /),
    })
    await act('POST /seek', { to: 'latest' })
    expect(await state()).toMatchObject({ settled: 2, generation: 3 })
  })

  test('is notified of events that were appended while it was asleep', async () => {
    const { tenant, publish, state, pushTo, posts: received } = await tenantWith({})
    await pushTo()
    await putToSleep(env.EVENT_CONSUMER.getByName(`${tenant.id}/billing`))
    await publish({ type: 't' })
    await expect.poll(state).toMatchObject({ settled: 1 })
    expect(received()).toHaveLength(1)
  })

  test('gets an event whose log died between the commit and the notification', async () => {
    const { tenant, state, pushTo, posts: received } = await tenantWith({})
    await pushTo()
    await expect.poll(state).toMatchObject({ settled: 0 })
    const log = env.EVENT_LOG.getByName(`${tenant.id}/default`)
    await runInDurableObject(log, async (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO events (offset, at, source, id, type, version, total) VALUES (1, ?, '/', '1', 't', 1, 100)`,
        Date.now(),
      )
      await storage.setAlarm(Date.now() + 3_600_000)
    })
    await putToSleep(log)
    await runDurableObjectAlarm(log)
    await expect.poll(state).toMatchObject({ settled: 1 })
    expect(received()).toHaveLength(1)
  })

  test('gets a new event together with its notification, and does not ask the log for it', async () => {
    const { tenant, publish, state, pushTo, posts: received } = await tenantWith({})
    await pushTo()
    await publish({ type: 'a', source: '/', id: '1' })
    await expect.poll(state).toMatchObject({ settled: 1 })
    // A property of the instance hides the method, which other actors then cannot call.
    const hidden = { value: () => undefined, configurable: true }
    await runInDurableObject(env.EVENT_LOG.getByName(`${tenant.id}/default`), (log) => {
      Object.defineProperty(log, 'read', hidden)
    })
    await publish({ type: 'a', source: '/', id: '2' }, { type: 'a', source: '/', id: '3' })
    await expect.poll(() => received().length).toBe(3)
  })

  test('sets no alarm once it has nothing to push', async () => {
    const { tenant, publish, state, pushTo } = await tenantWith({})
    await pushTo()
    await publish({ type: 'a', source: '/', id: '1' })
    await expect.poll(state).toMatchObject({ settled: 1 })
    const consumer = env.EVENT_CONSUMER.getByName(`${tenant.id}/billing`)
    await runDurableObjectAlarm(consumer)
    await runInDurableObject(consumer, async (_, { storage }) => expect(await storage.getAlarm()).toBeNull())
  })

  test('goes on after a loss of memory in the middle of its posts, with the same ids', async () => {
    const { tenant, publish, state, pushTo, posts: received } = await tenantWith({})
    const held = Promise.withResolvers<Response>()
    answer = async () => await held.promise
    await pushTo()
    await publish({ type: 't', key: 'a' }, { type: 't', key: 'a' })
    await expect.poll(() => received().length).toBe(1)
    await abortAllDurableObjects()
    const consumer = env.EVENT_CONSUMER.getByName(`${tenant.id}/billing`)
    answer = () => new Response(null, { status: 204 })
    await runDurableObjectAlarm(consumer)
    await expect.poll(state).toMatchObject({ settled: 2 })
    expect(received().map(({ id }) => id)).toEqual(['billing/default/1', 'billing/default/1', 'billing/default/2'])
    held.resolve(new Response(null, { status: 204 }))
  })
})

describe('a consumer that pulls', () => {
  test('leases events in order for each key, and settles them by offset and lease', async () => {
    const { publish, state, act } = await tenantWith({ parallel: 5 })
    await publish({ type: 't', key: 'a' }, { type: 't', key: 'a' }, { type: 't', key: 'b' })
    const first = await act('POST /pull', { max: 10 })
    expect(first).toMatchObject({
      events: [
        { id: 'billing/default/1', attempt: 1, event: { offset: 1 } },
        { id: 'billing/default/3', event: { offset: 3 } },
      ],
    })
    expect(await act('POST /pull', {})).toMatchObject({ lease: null, events: [] })
    expect(await act('POST /acknowledge', { lease: first['lease'], done: [1, 7] })).toEqual({ late: [7] })
    const failed = [{ offset: 3, reason: 'no', delaySeconds: 0 }]
    expect(await act('POST /acknowledge', { lease: first['lease'], failed })).toEqual({ late: [] })
    const second = await act('POST /pull', {})
    expect(second).toMatchObject({
      events: [
        { event: { offset: 3 }, attempt: 2 },
        { event: { offset: 2 }, attempt: 1 },
      ],
    })
    await act('POST /acknowledge', { lease: second['lease'], done: [2, 3] })
    expect(await state()).toMatchObject({ settled: 3, lag: 0, handedOut: 0, retrying: 0 })
  })

  test('keeps a lease while the actor sleeps, and loses it when its time is over', async () => {
    const { tenant, publish, act } = await tenantWith({})
    const consumer = env.EVENT_CONSUMER.getByName(`${tenant.id}/billing`)
    await publish({ type: 't', key: 'a' })
    const first = await act('POST /pull', {})
    await putToSleep(consumer)
    expect(await act('POST /pull', {})).toMatchObject({ events: [] })
    await runInDurableObject(consumer, (_, { storage }) => void storage.sql.exec('UPDATE leases SET until = 1'))
    await putToSleep(consumer)
    expect(await act('POST /pull', {})).toMatchObject({ events: [{ event: { offset: 1 }, attempt: 2 }] })
    expect(await act('POST /acknowledge', { lease: first['lease'], done: [1] })).toEqual({ late: [1] })
  })

  test('waits for an event, which ends the wait', async () => {
    const { publish, act } = await tenantWith({})
    const pulled = act('POST /pull', { waitSeconds: 10 })
    await publish({ type: 't' })
    expect(await pulled).toMatchObject({ events: [{ event: { offset: 1 } }] })
  })
})

/** Counts the rows that an actor writes from now on. */
async function countRows(stub: DurableObjectStub): Promise<() => number> {
  let rows = 0
  await runInDurableObject(stub, (_, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql)
    vi.spyOn(sql, 'exec').mockImplementation((query: string, ...bindings: unknown[]) => {
      const cursor = exec(query, ...bindings)
      if (/^\s*(?:INSERT|UPDATE|DELETE)/.test(query)) {
        cursor.toArray()
        rows += cursor.rowsWritten
      }
      return cursor
    })
  })
  return () => rows
}

describe('the price', () => {
  test('of an event is two rows, and of a delivery at most one', async () => {
    const { tenant, publish, state, pushTo } = await tenantWith({})
    await pushTo({ parallel: 100 })
    await publish({ type: 't' })
    await expect.poll(state).toMatchObject({ settled: 1 })
    const ofLog = await countRows(env.EVENT_LOG.getByName(`${tenant.id}/default`))
    const ofConsumer = await countRows(env.EVENT_CONSUMER.getByName(`${tenant.id}/billing`))
    await publish(...Array.from({ length: 50 }, (_, n) => ({ type: 't', key: `k${n % 20}`, data: n })))
    await expect.poll(state).toMatchObject({ settled: 51 })
    expect(ofLog()).toBe(100)
    expect(ofConsumer()).toBeGreaterThan(0)
    expect(ofConsumer()).toBeLessThanOrEqual(51)
  })
})

describe('consumers', () => {
  test('belong to a topic and a tenant, are listed, and are gone when they are deleted', async () => {
    const { as, publish, act } = await tenantWith({})
    const other = await newTenant()
    expect((await call('GET /v1/consumers', { as })).body).toEqual({
      consumers: [{ name: 'billing', topic: 'default' }],
    })
    expect((await call('GET /v1/consumers/billing', { as: other.key })).status).toBe(404)
    await call('PUT /v1/event-topics/orders', { as, body: {} })
    expect((await call('PUT /v1/consumers/billing', { as, body: { topic: 'orders' } })).status).toBe(409)
    expect((await call('PUT /v1/consumers/x', { as, body: { topic: 'nothing' } })).status).toBe(404)
    await publish({ type: 't' })
    await act('POST /pull', {})
    expect((await call('DELETE /v1/consumers/billing', { as })).status).toBe(204)
    expect((await call('GET /v1/consumers/billing', { as })).status).toBe(404)
    expect((await call('GET /v1/event-topics/default', { as })).body['consumers']).toEqual([])
    expect(await call('PUT /v1/consumers/billing', { as, body: { from: 'latest' } })).toMatchObject({
      body: { settled: 1, generation: 1 },
    })
  })

  test.each<[object, RegExp]>([
    [{ push: { url: 'http://example.com/' } }, /^push\.url: must begin with https/],
    [{ push: { url: 'https://10.0.0.1/' } }, /^push\.url: /],
    [{ condition: 'a[' }, /^condition: not a JMESPath/],
    [{ condition: 'pad_left(type, `9`)' }, /^condition: pad_left/],
    [{ parallel: 0 }, /^parallel/],
    [{ from: 'middle' }, /^from/],
  ])('%j is refused with the field and the rule', async (body, detail) => {
    const { key: as } = await newTenant()
    const { status, body: problem } = await call('PUT /v1/consumers/c', { as, body })
    expect([status, problem.detail]).toEqual([400, expect.stringMatching(detail)])
  })
})

import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

const closed = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

async function publisher() {
  const tenant = await newTenant()
  const as = tenant.key
  return {
    tenant,
    as,
    publish: async (body: unknown, topic = 'default') => await call(`POST /v1/events?topic=${topic}`, { as, body }),
    read: async (query = '') => await call(`GET /v1/events${query}`, { as }),
    send: async (headers: Readonly<Record<string, string>>, raw: string) =>
      await call('POST /v1/events', { as, raw, headers }),
  }
}

describe('events', () => {
  test('are kept in order with offsets, and are the same by source and id', async () => {
    const { publish, read } = await publisher()
    const placed = { type: 'order.placed', key: 'alice', source: '/shop', id: 'o-1', data: { total: 20 } }
    expect(await publish(placed)).toMatchObject({
      status: 201,
      body: { events: [{ id: 'o-1', offset: 1, duplicate: false }] },
    })
    expect(await publish(placed)).toMatchObject({
      status: 200,
      body: { events: [{ id: 'o-1', offset: 1, duplicate: true }] },
    })
    expect(await publish({ ...placed, data: { total: 21 } })).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/^events\.0\.id: o-1 of source \/shop is another event/) },
    })
    const batch = [{ type: 'order.paid', key: 'alice' }, placed, { type: 'order.sent', source: '/depot', id: 's-1' }]
    expect((await publish(batch)).body.events).toMatchObject([
      { offset: 2 },
      { offset: 1, duplicate: true },
      { offset: 3 },
    ])
    const { body } = await read('?after=0&limit=2')
    expect(body).toMatchObject({ next: 2, first: 1, top: 3 })
    expect(body.events).toMatchObject([
      { specversion: '1.0', offset: 1, type: 'order.placed', partitionkey: 'alice', version: 1, data: { total: 20 } },
      { offset: 2, type: 'order.paid' },
    ])
    expect((await read('?after=2')).body.events).toMatchObject([{ offset: 3, source: '/depot', id: 's-1' }])
  })

  test('a batch with one bad event, or one that is another event, adds none', async () => {
    const { publish, read } = await publisher()
    expect(await publish([{ type: 'a' }, { type: '' }])).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/^events\.1\.type: /) },
    })
    const same = { type: 'a', source: '/s', id: '1' }
    expect((await publish([same, { ...same, type: 'b' }])).status).toBe(409)
    expect((await read()).body).toMatchObject({ events: [], top: 0 })
  })

  test('are accepted as CloudEvents: structured, in batches and in binary mode, and handed out as such', async () => {
    const { send, read } = await publisher()
    const event = {
      specversion: '1.0',
      id: '1',
      source: '/shop',
      type: 'order.placed',
      partitionkey: 'bob',
      traceid: 'x7',
      version: 2,
    }
    const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
    expect(await send(structured, JSON.stringify({ ...event, data: { a: 1 } }))).toMatchObject({ status: 201 })
    const batch = JSON.stringify([{ ...event, id: '2', data_base64: 'AQID', datacontenttype: 'image/png' }])
    expect((await send({ 'content-type': 'application/cloudevents-batch+json' }, batch)).status).toBe(201)
    const binary = {
      'ce-specversion': '1.0',
      'ce-id': '3',
      'ce-source': '/shop',
      'ce-type': 'order.placed',
      'ce-subject': 'Gr%C3%BC%C3%9Fe',
      'ce-version': '2',
      'content-type': 'application/json',
    }
    expect((await send(binary, '{"n": 1.0}')).status).toBe(201)
    expect((await send({ ...binary, 'ce-id': '4', 'content-type': 'text/plain' }, 'hello')).status).toBe(201)
    expect((await send({ ...binary, 'ce-id': '' }, '{}')).body.detail).toMatch(/^ce-id: /)
    expect((await send({ ...binary, 'ce-id': '5' }, '{')).body.detail).toMatch(/^data: not JSON/)
    expect((await send({ ...binary, 'ce-id': '5', 'ce-specversion': '0.3' }, '{}')).body.detail).toMatch(
      /^ce-specversion/,
    )
    expect((await read()).body.events).toMatchObject([
      { id: '1', partitionkey: 'bob', traceid: 'x7', version: 2, data: { a: 1 } },
      { id: '2', data_base64: 'AQID', datacontenttype: 'image/png' },
      { id: '3', subject: 'Grüße', version: 2, data: { n: 1 } },
      { id: '4', data_base64: btoa('hello'), datacontenttype: 'text/plain' },
    ])
  })

  test('data is handed out byte for byte', async () => {
    const { send, read } = await publisher()
    const data = '{"n":1.0,"big":12345678901234567890,"a":"\\u0041"}'
    await send({}, `{"type":"t","data":${data}}`)
    expect((await read()).text).toContain(`"data":${data}`)
  })

  test.each<[unknown, RegExp]>([
    [[], /^events: 1 to 1000/],
    ['text', /^event: must be a JSON object/],
    [{ type: 'a b' }, /^type: /],
    [{ type: 'a', time: 'yesterday' }, /^time: /],
    [{ type: 'a', other: 1 }, /other/],
    [{ type: 'a', data: 'x'.repeat(65_537) }, /^data: at most 65536 bytes/],
    [{ specversion: '1.0', type: 'a', id: '1' }, /^source: /],
    [{ specversion: '1.0', type: 'a', id: '1', source: '/', Upper: 1 }, /extension attributes: lower-case/],
    [{ specversion: '1.0', type: 'a', id: '1', source: '/', data: 1, data_base64: 'AQID' }, /give one of them/],
  ])('%j is refused with the field and the rule', async (body, detail) => {
    const { publish } = await publisher()
    const answer = await publish(body)
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test('are kept in topics that were created, apart from each other and from other tenants', async () => {
    const [one, other] = [await publisher(), await publisher()]
    expect((await one.publish({ type: 'a' }, 'orders')).body.detail).toMatch(/^topic: there is no topic orders; PUT /)
    expect((await one.read('?topic=orders')).status).toBe(404)
    const put = await call('PUT /v1/event-topics/orders', { as: one.as, body: { maxAgeSeconds: 3600 } })
    expect(put).toMatchObject({ status: 200, body: { name: 'orders', maxAgeSeconds: 3600, top: 0 } })
    expect((await one.publish({ type: 'a' }, 'orders')).status).toBe(201)
    expect((await one.read()).body.events).toEqual([])
    expect((await one.read('?topic=orders')).body.events).toHaveLength(1)
    expect((await call('GET /v1/event-topics', { as: one.as })).body).toEqual({ topics: ['default', 'orders'] })
    expect((await call('GET /v1/event-topics/orders', { as: one.as })).body).toMatchObject({ top: 1, first: 1 })
    expect((await call('GET /v1/event-topics/orders', { as: other.as })).status).toBe(404)
    expect((await other.publish({ type: 'a' }, 'orders')).status).toBe(404)
  })

  test('over the age of the topic are not shown, and deleted by the alarm; offsets are not reused', async () => {
    const { tenant, as, publish, read } = await publisher()
    await call('PUT /v1/event-topics/orders', { as, body: { maxAgeSeconds: 60 } })
    await publish([{ type: 'a' }, { type: 'b' }], 'orders')
    const log = env.EVENT_LOG.getByName(`${tenant.id}/orders`)
    await runInDurableObject(log, (_, { storage }) => void storage.sql.exec('UPDATE events SET at = at - 61000'))
    expect((await read('?topic=orders')).body).toMatchObject({ events: [], first: 3, top: 2, next: 2 })
    await runDurableObjectAlarm(log)
    expect(
      await runInDurableObject(log, (_, { storage }) => storage.sql.exec('SELECT * FROM events').toArray()),
    ).toEqual([])
    await putToSleep(log)
    expect((await publish({ type: 'c' }, 'orders')).body.events).toMatchObject([{ offset: 3 }])
  })

  test('are found by the time of their append', async () => {
    const { publish, read } = await publisher()
    await publish({ type: 'a' })
    expect((await read('?since=0')).body.events).toHaveLength(1)
    expect((await read('?since=99999999999999')).body).toMatchObject({ events: [], next: 1 })
  })
})

describe('event types', () => {
  test('events of a registered type satisfy the schema of their version', async () => {
    const { as, publish } = await publisher()
    const put = (version: number, body: object) =>
      call(`PUT /v1/event-types/order.placed/versions/${version}`, { as, body })
    const one = { schema: closed({ total: { type: 'number' } }, ['total']) }
    expect(await put(1, one)).toMatchObject({
      status: 201,
      body: { version: 1, compatibility: 'backward', upcast: null },
    })
    expect((await put(1, one)).status).toBe(200)
    expect((await put(1, { schema: true })).status).toBe(409)
    expect(await put(2, { schema: closed({ cents: { type: 'integer' } }, ['cents']) })).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/^schema: not compatible with version 1; backward: /) },
    })
    expect(await put(2, { schema: { type: 'nothing' } })).toMatchObject({ status: 400 })
    expect((await publish({ type: 'order.placed', data: { total: 'x' } })).body.detail).toMatch(/^data\.total: /)
    expect((await publish({ type: 'order.placed', version: 2, data: {} })).body.detail).toMatch(
      /^version: .* has versions 1 to 1/,
    )
    expect((await publish({ type: 'order.placed', data: { total: 2 } })).status).toBe(201)
    expect((await publish({ type: 'other', version: 9, data: 1 })).status).toBe(201)
    expect((await call('GET /v1/event-types', { as })).body).toEqual({
      types: [{ type: 'order.placed', newest: 1 }],
      next: null,
    })
    expect((await call('GET /v1/event-types/order.placed', { as })).body.versions).toMatchObject([one])
    expect((await call('GET /v1/event-types/other', { as })).status).toBe(404)
  })

  test('a reader that asks for version 3 gets version 3, whatever was written, and a failure where an upcaster fails', async () => {
    const { as, publish, read } = await publisher()
    const versions = [
      { schema: { type: 'object' } },
      {
        schema: closed({ cents: { type: 'number' } }, ['cents']),
        compatibility: 'none',
        upcast: '{cents: total * `100`}',
      },
      {
        schema: closed({ cents: { type: 'number' }, currency: { type: 'string' } }, ['cents', 'currency']),
        compatibility: 'none',
        upcast: 'merge(@, {currency: `"EUR"`})',
      },
    ]
    for (const [index, body] of versions.entries())
      expect((await call(`PUT /v1/event-types/paid/versions/${index + 1}`, { as, body })).status).toBe(201)
    await publish([
      { type: 'paid', version: 1, data: { total: 2 } },
      { type: 'paid', version: 1, data: { total: 'two' } },
      { type: 'paid', version: 2, data: { cents: 5 } },
      { type: 'paid', data: { cents: 7, currency: 'USD' } },
    ])
    const { body, text } = await read('?as=paid@3')
    expect(body['events']).toMatchObject([
      { version: 3, data: { cents: 200, currency: 'EUR' } },
      { version: 1, failure: expect.stringMatching(/^upcast to version 2: /) },
      { version: 3, data: { cents: 5, currency: 'EUR' } },
      { version: 3, data: { cents: 7, currency: 'USD' } },
    ])
    expect(text).not.toContain('two"')
    expect((await read('?as=paid@2')).body.events).toMatchObject([
      { version: 2 },
      { version: 1 },
      { version: 2 },
      { version: 3 },
    ])
    expect((await read('?as=paid')).status).toBe(400)
    expect((await read('?as=paid@9')).body).toMatchObject({
      status: 400,
      detail: 'as: paid has the versions 1 to 3, got 9',
    })
    expect((await read('?as=paid@3,never@1')).body).toMatchObject({
      status: 400,
      detail: expect.stringContaining('as: never has no versions'),
    })
  })
})

describe('an actor', () => {
  test('that waits for an event is notified of one that is there, and the same wait is one row', async () => {
    const { tenant, publish } = await publisher()
    await publish({ type: 'paid', key: 'o-1', data: 1 })
    const log = env.EVENT_LOG.getByName(`${tenant.id}/default`)
    const wait = {
      id: 'w',
      waiter: { kind: 'saga', name: 'x/1' },
      type: 'paid',
      correlation: 'o-1',
      after: 0,
      until: Date.now() + 60_000,
    } as const
    expect(await log.awaitEvent(wait)).toMatchObject({ kind: 'found', event: { offset: 1, key: 'o-1' } })
    expect(await log.awaitEvent({ ...wait, after: 1 })).toEqual({ kind: 'waiting' })
    expect(await log.awaitEvent({ ...wait, after: 1 })).toEqual({ kind: 'waiting' })
    expect(await log.state()).toMatchObject({ waits: 1 })
    await log.endWait('w')
    expect(await log.state()).toMatchObject({ waits: 0 })
  })
})

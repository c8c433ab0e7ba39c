import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'
import { ownGateway } from '../support/worker/topics.ts'

const order = {
  correlation: 'data.order',
  events: [{ type: 'order.placed', starts: true }, { type: 'payment.taken' }, { type: 'order.shipped', ends: true }],
  expectations: [
    { name: 'paid', after: 'order.placed', expect: 'payment.taken', withinSeconds: 600 },
    { name: 'shipped', after: 'payment.taken', expect: 'order.shipped', withinSeconds: 600 },
  ],
}

let shop: TestTenant

beforeEach(async () => {
  shop = await newTenant()
})

const ask = async (line: string, body?: unknown) =>
  await call(line, { as: shop.key, ...(body === undefined ? {} : { body }) })
const define = async (more: object = {}, name = 'order') => {
  const answer = await ask(`PUT /v1/processes/${name}`, { ...order, ...more })
  expect(answer.status, answer.text).toBe(200)
  return answer.body
}
const publish = async (type: string, data: object, topic = 'default', more: object = {}) =>
  succeeded(await ask(`POST /v1/events?topic=${topic}`, { type, data, ...more }))
const read = async (id: string) => (await ask(`GET /v1/processes/order/instances/${id}`)).body
const becomes = (id: string, state: string) => expect.poll(async () => (await read(id))['state']).toBe(state)
const actor = () => env.PROCESS_VIEW.getByName(`${shop.id}/order`)

/** Lets the time of a process be over: everything that was appended happened so much earlier. */
async function pass(ms: number, topic = 'default'): Promise<void> {
  await runInDurableObject(env.EVENT_LOG.getByName(`${shop.id}/${topic}`), (_, { storage }) => {
    storage.sql.exec('UPDATE events SET at = at - ?', ms)
  })
  await runInDurableObject(actor(), (_, { storage }) => {
    for (const { instance, n, data } of storage.sql.exec<{ instance: number; n: number; data: string }>(
      'SELECT * FROM entries',
    )) {
      const entry = JSON.parse(data)
      if (entry.event === undefined) continue
      entry.event.at -= ms
      storage.sql.exec('UPDATE entries SET data = ? WHERE instance = ? AND n = ?', JSON.stringify(entry), instance, n)
    }
    storage.sql.exec('UPDATE instances SET look_at = look_at - ?', ms)
  })
  await runDurableObjectAlarm(actor())
}

const raised = async (topic = 'default') => {
  const { body } = await ask(`GET /v1/events?topic=${topic}&limit=100`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a page of events
  const events = body['events'] as { type: string; data: Record<string, unknown> }[]
  return events.filter(({ type }) => type.startsWith('process.'))
}

describe('a process of a shop', () => {
  test('shows an order as open and complete, with the consumers that acknowledged each event', async () => {
    await define()
    succeeded(await ask('PUT /v1/consumers/billing', { types: ['order.placed'] }))
    succeeded(await ask('PUT /v1/consumers/paid-only', { condition: 'data.total > `100`' }))
    await publish('order.placed', { order: 'o-1', total: 20 })
    await becomes('o-1', 'open')
    const pulled = succeeded(await ask('POST /v1/consumers/billing/pull', {}))
    succeeded(await ask('POST /v1/consumers/billing/acknowledge', { lease: pulled['lease'], done: [1] }))
    succeeded(await ask('POST /v1/consumers/paid-only/pull', {}))
    await publish('payment.taken', { order: 'o-1', total: 200 })
    await publish('order.shipped', { order: 'o-1', total: 200 })
    await becomes('o-1', 'complete')
    succeeded(await ask('PUT /v1/consumers/newcomer', { from: 'latest' }))
    const instance = await read('o-1')
    expect(instance).toMatchObject({
      version: 1,
      expectations: [
        { name: 'paid', state: 'met', seen: 1 },
        { name: 'shipped', state: 'met', seen: 1 },
      ],
      history: [
        {
          kind: 'event',
          event: { type: 'order.placed', topic: 'default', offset: 1 },
          consumers: [
            { name: 'billing', state: 'acknowledged' },
            { name: 'newcomer', state: 'skipped' },
            { name: 'paid-only', state: 'filtered' },
          ],
        },
        { kind: 'state', state: 'open' },
        {
          kind: 'event',
          event: { type: 'payment.taken' },
          consumers: [{ state: 'filtered' }, {}, { state: 'pending' }],
        },
        {},
        { kind: 'state', state: 'complete' },
      ],
      next: null,
    })
    expect((await ask('GET /v1/processes/order/instances?state=complete')).body).toMatchObject({
      instances: [{ correlation: 'o-1', state: 'complete' }],
      next: null,
    })
    expect((await ask('GET /v1/processes/order/stats')).body).toMatchObject({
      instances: { begun: 1, completed: 1, now: { complete: 1, open: 0 } },
      events: { seen: 3 },
      topics: [{ name: 'default', lag: 0 }],
    })
  })

  test('raises process.late once when an event is missing, and process.arrived when it comes after all', async () => {
    await define()
    await publish('order.placed', { order: 'o-1' })
    await becomes('o-1', 'open')
    await pass(599_000)
    expect(await raised()).toEqual([])
    await pass(2000)
    await becomes('o-1', 'late')
    await expect.poll(async () => (await raised()).length).toBe(1)
    await publish('payment.taken', { order: 'o-1' })
    await becomes('o-1', 'open')
    await expect.poll(async () => (await raised()).map(({ type }) => type)).toEqual(['process.late', 'process.arrived'])
    const [late] = await raised()
    expect(late).toMatchObject({
      source: '/processes/order',
      partitionkey: 'o-1',
      correlationid: 'o-1',
      data: {
        process: 'order',
        correlation: 'o-1',
        expectation: 'paid',
        after: 'order.placed',
        expect: 'payment.taken',
      },
    })
    expect((await ask('GET /v1/processes/order/instances?state=late')).body).toMatchObject({ instances: [] })
  })

  test('goes on after every actor has lost its memory in the middle of a batch, and counts each event once', async () => {
    succeeded(await ask('PUT /v1/event-topics/payments', {}))
    await define({ topics: ['default', 'payments'] })
    for (let n = 0; n < 5; n++) {
      await publish('payment.taken', { order: `o-${n}` }, 'payments')
      await publish('order.placed', { order: `o-${n}` })
      if (n === 2) await abortAllDurableObjects()
    }
    await abortAllDurableObjects()
    await runDurableObjectAlarm(actor())
    for (let n = 0; n < 5; n++) await becomes(`o-${n}`, 'open')
    const { body } = await ask('GET /v1/processes/order/stats')
    expect(body).toMatchObject({ instances: { begun: 5 }, events: { seen: 10 } })
  })

  test('has no alarm while nothing can be late and nothing has come', async () => {
    await define({ expectations: [] })
    await expect
      .poll(
        async () =>
          await runInDurableObject(
            actor(),
            (_, { storage }) => [...storage.sql.exec('SELECT name FROM topics WHERE is_registered = 1')].length,
          ),
      )
      .toBe(1)
    await runDurableObjectAlarm(actor())
    expect(await runDurableObjectAlarm(actor())).toBe(false)
  })

  test('keeps the version of an order that is under way', async () => {
    await define()
    await publish('order.placed', { order: 'o-1' })
    await becomes('o-1', 'open')
    expect(await define()).toMatchObject({ version: 1 })
    expect(await define({ expectations: [] })).toMatchObject({ version: 2 })
    await publish('order.placed', { order: 'o-2' })
    await becomes('o-2', 'open')
    expect([(await read('o-1'))['version'], (await read('o-2'))['version']]).toEqual([1, 2])
    expect((await ask('GET /v1/processes/order?version=1')).body).toMatchObject({ expectations: [{}, {}] })
  })

  test('publishes the history of an instance to the users that it names, and what they missed', async () => {
    await define({ watchers: ['alice'] })
    await publish('order.placed', { order: 'o-1' })
    await becomes('o-1', 'open')
    const line = await Line.open(ownGateway())
    await line.ask({ connect: { token: await shop.token('alice') } })
    const { subscribe } = await line.ask({ subscribe: { channel: 'process:order:o-1' } })
    expect(subscribe).toMatchObject({ offset: 2, data: { state: 'open', correlation: 'o-1' } })
    await publish('payment.taken', { order: 'o-1' })
    const pushed = await line.next('an entry', ({ push }) => push?.pub?.offset === 3)
    expect(pushed.push?.pub?.data).toMatchObject({ kind: 'event', event: { type: 'payment.taken' } })
    line.close()
  })

  test('is gone with its instances when it is deleted, and its topic notifies it no longer', async () => {
    await define()
    await publish('order.placed', { order: 'o-1' })
    await becomes('o-1', 'open')
    expect((await ask('DELETE /v1/processes/order')).status).toBe(204)
    expect((await ask('GET /v1/processes/order')).status).toBe(404)
    await runInDurableObject(env.EVENT_LOG.getByName(`${shop.id}/default`), (_, { storage }) => {
      expect([...storage.sql.exec('SELECT name FROM consumers')]).toEqual([])
    })
    expect(await runInDurableObject(actor(), async (instance) => await instance.remains())).toBe(0)
  })
})

describe('a definition', () => {
  test('is refused with field, rule and fix, and warned about', async () => {
    const refused = async (more: object) => (await ask('PUT /v1/processes/order', { ...order, ...more })).body.detail
    expect(await refused({ topics: ['nope'] })).toContain('topic: there is no topic nope')
    expect(await refused({ correlation: "join(',', data.x)" })).toContain('correlation: join: this function is not')
    expect(await refused({ expectations: [{ ...order.expectations[0], expect: 'x' }] })).toContain(
      'expectations.0.expect',
    )
    expect(await define()).toMatchObject({
      warnings: order.events.map(
        ({ type }, n) =>
          `events.${n}.type: no schema of ${type} is registered; check that it is spelled as it is published`,
      ),
    })
  })
})

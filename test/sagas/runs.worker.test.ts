import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sagaActors, sagaOf } from '../../durable-objects/address.ts'
import { SagaWorker } from '../../src/handlers/saga-worker.ts'
import { hash32 } from '../../src/kernel/id.ts'
import { call, type Call } from '../support/worker/http.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

const posts: Post[] = []
/** What each path answers, call by call; 200 with `{}` afterwards. */
const answers = new Map<string, (() => Response | Promise<Response>)[]>()
let shop: TestTenant
let runs = 0

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Response.json(body, { status, headers })
const path = ({ url }: Post) => new URL(url).pathname
const paths = () => posts.map(path)
const will = (at: string, ...next: (() => Response | Promise<Response>)[]) => answers.set(at, next)

beforeEach(async () => {
  posts.length = 0
  answers.clear()
  shop = await newTenant()
  const network = globalThis.fetch
  vi.stubGlobal('fetch', async (url: string, init: { headers: Record<string, string>; body: string }) => {
    if (!url.startsWith('https://shop.example.com/')) return await network(url, init)
    posts.push({ url, headers: init.headers, body: JSON.parse(init.body) })
    const next = answers.get(new URL(url).pathname)?.shift()
    return next === undefined ? json(200, {}) : await next()
  })
})
afterEach(() => void vi.unstubAllGlobals())

const ask = (line: string, more: Call = {}) => call(line, { as: shop.key, ...more })
const at = (name: string) => ({ url: `https://shop.example.com/${name}` })
const retry = { attempts: 2, seconds: 0, maxSeconds: 0 }

/** An order: stock, payment, and shipment, of which the payment is the point of no return. */
const order = {
  steps: [
    { name: 'reserve', call: { ...at('reserve'), body: '{order: input.id}' }, compensate: at('release'), retry },
    {
      name: 'pay',
      call: { ...at('pay'), body: '{stock: steps.reserve.result.stock}' },
      compensate: at('refund'),
      retry,
    },
    { name: 'ship', call: at('ship'), pivot: true, retry },
  ],
}

async function define(definition: unknown, name = 'order') {
  const answer = await ask(`PUT /v1/sagas/${name}`, { body: definition })
  expect(answer.status, answer.text).toBe(200)
  return answer.body
}

async function start(body: { readonly id?: string; readonly input?: unknown } = {}, saga = 'order'): Promise<string> {
  const { id = `run-${++runs}`, ...more } = body
  const answer = await ask(`POST /v1/sagas/${saga}/runs`, { body: { id, input: { id: 17 }, ...more } })
  expect(answer.status, answer.text).toBe(201)
  return id
}

const read = async (id: string) => (await ask(`GET /v1/saga-runs/${id}`)).body
const ends = (id: string, state: string) => expect.poll(async () => (await read(id))['state']).toBe(state)

describe('an order of a shop, as a saga', () => {
  test('calls stock, payment and shipment in context, each with what the ones before it answered', async () => {
    await define(order)
    will('/reserve', () => json(200, { stock: 'S1' }))
    const id = await start()
    await ends(id, 'completed')
    expect(posts.map((post) => [path(post), post.body])).toEqual([
      ['/reserve', { order: 17 }],
      ['/pay', { stock: 'S1' }],
      ['/ship', expect.objectContaining({ input: { id: 17 } })],
    ])
    expect(posts.map(({ headers }) => headers['idempotency-key'])).toEqual(
      ['reserve', 'pay', 'ship'].map((s) => `${id}/${s}`),
    )
    expect(posts[0]?.headers['webhook-signature']).toMatch(/^v1,/)
  })

  test('gives the stock back when the payment is refused, and says why', async () => {
    await define(order)
    will('/pay', () => json(402, { detail: 'the card is empty' }))
    const id = await start()
    await ends(id, 'compensated')
    expect(paths()).toEqual(['/reserve', '/pay', '/release'])
    expect((await read(id))['reason']).toBe('"pay" failed: it answered 402: the card is empty')
    expect(posts.at(-1)?.headers['idempotency-key']).toBe(`${id}/reserve/undo`)
  })

  test('is never paid twice: a payment whose answer was lost is asked for again under the same key', async () => {
    await define(order)
    will('/pay', () => Promise.reject(new Error('Network connection lost.')))
    const id = await start()
    await ends(id, 'completed')
    const payments = posts.filter((post) => path(post) === '/pay')
    expect(payments.map(({ headers }) => headers['idempotency-key'])).toEqual([`${id}/pay`, `${id}/pay`])
  })

  test('waits for a person when it cannot know whether it was paid, and goes on as the person decides', async () => {
    await define(order)
    will(
      '/pay',
      () => json(500, {}),
      () => json(500, {}),
    )
    const id = await start()
    await ends(id, 'attention')
    expect(paths()).toEqual(['/reserve', '/pay', '/pay'])
    const skipped = await ask(`POST /v1/saga-runs/${id}/steps/pay/skip`, { body: { reason: 'paid in cash' } })
    expect(skipped.status, skipped.text).toBe(200)
    await ends(id, 'completed')
    expect((await read(id))['history']).toContainEqual(
      expect.objectContaining({ event: 'skipped', step: 'pay', detail: 'paid in cash', by: expect.any(String) }),
    )
  })

  test('is one run however often it is started, and refuses the same id with another input', async () => {
    await define(order)
    const id = await start()
    const again = await ask('POST /v1/sagas/order/runs', { body: { id, input: { id: 17 } } })
    expect([again.status, again.body['duplicate']]).toEqual([200, true])
    expect((await ask('POST /v1/sagas/order/runs', { body: { id, input: { id: 18 } } })).status).toBe(409)
    await ends(id, 'completed')
    expect(paths()).toEqual(['/reserve', '/pay', '/ship'])
  })

  test('keeps the version it started with', async () => {
    await define({
      steps: [
        { name: 'approval', wait: { signal: 'ok' } },
        { name: 'old', call: at('old') },
      ],
    })
    const id = await start()
    expect((await define({ steps: [{ name: 'new', call: at('new') }] }))['version']).toBe(2)
    await ends(id, 'running')
    expect((await ask(`POST /v1/saga-runs/${id}/signals/ok`, { body: { data: { by: 'bob' } } })).status).toBe(200)
    await ends(id, 'completed')
    expect(paths()).toEqual(['/old'])
  })

  test('uses other operations of the API as the tenant’s server', async () => {
    const body = '{body: {id: run.id, type: `"group"`, name: input.name, members: [`"alice"`]}}'
    await define({ steps: [{ name: 'room', operation: { operation: 'createConversation', input: body } }] })
    const id = await start({ input: { name: 'Order 17' } })
    await ends(id, 'completed')
    expect((await read(id))['steps']).toMatchObject([{ name: 'room', state: 'done', result: { name: 'Order 17' } }])
  })

  test('fails with the field at fault when the input of an operation has a field that there is not', async () => {
    await define({ steps: [{ name: 'room', operation: { operation: 'createConversation', input: '{bdy: input}' } }] })
    const id = await start()
    await ends(id, 'compensated')
    expect((await read(id))['steps']).toMatchObject([
      { state: 'failed', reason: 'input: may have params, query and body, got "bdy"' },
    ])
  })

  test('waits for an event of its order, published before or after the step began', async () => {
    const paid = { event: 'order.paid', correlation: 'input.order' }
    await define({
      steps: [
        { name: 'paid', wait: paid },
        { name: 'ship', call: { ...at('ship'), body: 'steps.paid.result.data' } },
      ],
    })
    const publish = (key: string, data: object) =>
      ask('POST /v1/events', { body: { type: 'order.paid', key, source: '/shop', id: key, data } })
    const early = await publish('o-1', { amount: 1 })
    expect(early.status, early.text).toBeLessThan(300)
    await ends(await start({ input: { order: 'o-1' } }), 'completed')
    const late = await start({ input: { order: 'o-2' } })
    await expect.poll(async () => JSON.stringify((await read(late))['steps'])).toContain('waiting')
    await publish('o-3', { amount: 3 })
    await publish('o-2', { amount: 2 })
    await ends(late, 'completed')
    expect(posts.map(({ body }) => body)).toEqual([{ amount: 1 }, { amount: 2 }])
  })

  test('can be cancelled before its pivot, and is listed by saga and state', async () => {
    await define({ steps: [{ ...order.steps[0] }, { name: 'approval', wait: { signal: 'ok' } }] })
    const id = await start()
    await expect.poll(async () => JSON.stringify((await read(id))['steps'])).toContain('waiting')
    expect((await ask(`POST /v1/saga-runs/${id}/cancel`, { body: { reason: 'changed their mind' } })).status).toBe(200)
    await ends(id, 'compensated')
    const other = await start()
    const list = (query: string) => ask(`GET /v1/saga-runs?${query}`)
    expect((await list('saga=order')).body['runs']).toMatchObject([{ id: other }, { id }])
    expect((await list('state=compensated')).body['runs']).toMatchObject([{ id }])
    const first = await list('limit=1')
    expect(first.body['runs']).toMatchObject([{ id: other }])
    expect((await list(`limit=1&cursor=${first.body.next}`)).body['runs']).toMatchObject([{ id }])
  })

  test('has figures by step', async () => {
    await define(order)
    await ends(await start(), 'completed')
    will('/pay', () => json(402, {}))
    await ends(await start(), 'compensated')
    expect((await ask('GET /v1/sagas/unknown/stats')).status).toBe(404)
    expect((await ask('GET /v1/sagas/order/stats')).body).toMatchObject({
      runs: { started: 2, completed: 1, compensated: 1, open: 0 },
      steps: expect.arrayContaining([expect.objectContaining({ name: 'pay', done: 1, failed: 1 })]),
    })
  })
})

describe('the end of a run', () => {
  const eventsIn = async (topic: string) => (await ask(`GET /v1/events?topic=${topic}`)).body['events']
  const published = { ...order, publish: { topic: 'orders' } }

  beforeEach(async () => {
    expect((await ask('PUT /v1/event-topics/orders', { body: {} })).status).toBe(200)
  })

  test('is an event of the topic that its definition names, once', async () => {
    await define(published)
    const id = await start()
    await ends(id, 'completed')
    will('/pay', () => json(402, { detail: 'the card is empty' }))
    const other = await start({ input: { id: 18 } })
    await ends(other, 'compensated')
    await expect.poll(async () => await eventsIn('orders')).toHaveLength(2)
    expect(await eventsIn('orders')).toMatchObject([
      {
        type: 'saga.completed',
        source: `/sagas/order/${id}`,
        partitionkey: id,
        data: { run: id, saga: 'order', version: 1, input: { id: 17 } },
      },
      {
        type: 'saga.compensated',
        source: `/sagas/order/${other}`,
        data: { reason: '"pay" failed: it answered 402: the card is empty', input: { id: 18 } },
      },
    ])
  })

  /** Gives a run that has ended an event to publish, as if its actor had died before it was in its topic; returns what is left of it. */
  async function publishAgain(id: string, change: (event: { type: string; n: number; at: number }) => object) {
    const saga = sagaOf(env, shop.id, id)
    await runInDurableObject(saga, (_, { storage }) => {
      const { n, at, data } = storage.sql
        .exec<{ n: number; at: number; data: string }>(
          `SELECT data ->> '$.entries' AS n, data ->> '$.endedAt' AS at, data FROM runs WHERE id = ?`,
          id,
        )
        .one()
      const lost = { ...JSON.parse(data), unpublished: [change({ type: 'saga.completed', n, at })] }
      storage.sql.exec('UPDATE runs SET data = ?, look_at = 1 WHERE id = ?', JSON.stringify(lost), id)
    })
    await evictDurableObject(saga)
    await runDurableObjectAlarm(saga)
    return () =>
      runInDurableObject(saga, (_, { storage }) =>
        storage.sql.exec(`SELECT data ->> '$.unpublished' AS left FROM runs WHERE id = ?`, id).one(),
      )
  }

  test.each([
    ['published twice, which is one event', (event: object) => event],
    [
      'refused by its topic, which has another one under its identity',
      (event: object) => ({ ...event, type: 'saga.attention' }),
    ],
    ['a week old', (event: object) => ({ ...event, n: 99, at: Date.now() - 8 * 86_400_000 })],
  ])('is not offered to its topic any more when it was %s', async (_, change) => {
    await define(published)
    const id = await start()
    await ends(id, 'completed')
    await expect.poll(async () => await eventsIn('orders')).toHaveLength(1)
    await expect.poll(await publishAgain(id, change)).toEqual({ left: null })
    expect(await eventsIn('orders')).toMatchObject([{ type: 'saga.completed' }])
  })

  test('ends the wait of another run for it', async () => {
    await define(published)
    await define(
      { steps: [{ name: 'ordered', wait: { topic: 'orders', event: 'saga.completed', correlation: 'input.run' } }] },
      'after',
    )
    const id = `order-${++runs}`
    const follower = await start({ input: { run: id } }, 'after')
    await start({ id })
    await ends(follower, 'completed')
  })

  test('is refused for a topic that there is not', async () => {
    const answer = await ask('PUT /v1/sagas/order', { body: { ...order, publish: { topic: 'nowhere' } } })
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toContain('publish.topic: there is no topic nowhere')
  })
})

describe('the runs of one actor', () => {
  const waits = { steps: [{ name: 'nap', sleep: { seconds: 1 } }] }

  test('are not stopped by one that cannot be changed: it is looked at again an hour later', async () => {
    await define(waits)
    const bad = await start()
    const saga = sagaOf(env, shop.id, bad)
    await runInDurableObject(saga, (_, { storage }) => {
      storage.sql.exec(`UPDATE runs SET data = json_remove(data, '$.steps.nap') WHERE id = ?`, bad)
    })
    await evictDurableObject(saga)
    // Ids that belong to the same actor.
    const beside = Array.from({ length: 400 }, (_, n) => `beside-${bad}-${n}`).filter(
      (id) => hash32(id) % sagaActors === hash32(bad) % sagaActors,
    )
    for (const id of beside.slice(0, 3)) await start({ id })
    for (const id of beside.slice(0, 3)) await ends(id, 'completed')
    const lookAt = await runInDurableObject(saga, (_, { storage }) =>
      Number(storage.sql.exec('SELECT look_at FROM runs WHERE id = ?', bad).one()['look_at']),
    )
    expect(lookAt).toBeGreaterThan(Date.now() + 3_000_000)
  })

  test('share sixteen calls at once, and each is made once', async () => {
    let most = 0
    let now = 0
    await define({ steps: [{ name: 'slow', call: at('slow'), timeoutSeconds: 60, retry }] })
    const ids = Array.from({ length: 4000 }, (_, n) => `many-${n}`)
      .filter((id) => hash32(id) % sagaActors === 3)
      .slice(0, 120)
    will(
      '/slow',
      ...ids.map(() => async () => {
        most = Math.max(most, ++now)
        await scheduler.wait(60)
        now--
        return json(200, {})
      }),
    )
    await Promise.all(ids.map((id) => start({ id })))
    for (const id of ids) await ends(id, 'completed')
    expect(most).toBeLessThanOrEqual(16)
    expect(paths()).toHaveLength(ids.length)
  })

  test('have five posts at once made by their actor, and further ones by the Worker', async () => {
    const byWorker = vi.spyOn(SagaWorker.prototype, 'perform')
    await define({ steps: [{ name: 'held', call: at('held'), timeoutSeconds: 60, retry }] })
    const ids = Array.from({ length: 4000 }, (_, n) => `held-${n}`)
      .filter((id) => hash32(id) % sagaActors === 7)
      .slice(0, 12)
    let count = 0
    will(
      '/held',
      ...ids.map(() => async () => {
        count++
        // A promise that another invocation resolves would end the call.
        while (count < ids.length) await scheduler.wait(5)
        return json(200, {})
      }),
    )
    await Promise.all(ids.map((id) => start({ id })))
    for (const id of ids) await ends(id, 'completed')
    // Runs of the platform made the tenant.
    const own = byWorker.mock.calls.filter(([tenant]) => tenant === shop.id)
    expect(own).toHaveLength(ids.length - 5)
  })
})

describe('a run that began within the minute', () => {
  const lookAtOf = (id: string) =>
    runInDurableObject(sagaOf(env, shop.id, id), (_, { storage }) =>
      storage.sql.exec<{ at: number | null }>('SELECT look_at AS at FROM runs WHERE id = ?', id).one(),
    )
  const stats = async () => (await ask('GET /v1/sagas/order/stats')).body['runs']

  test('goes on after its actor lost its memory with a call under way, and is counted as open meanwhile', async () => {
    await define(order)
    const lost = Promise.withResolvers<Response>()
    will('/pay', () => lost.promise)
    const id = await start()
    await expect.poll(paths).toContain('/pay')
    expect(await lookAtOf(id)).toEqual({ at: null })
    expect(await stats()).toMatchObject({ open: 1 })
    await runInDurableObject(sagaOf(env, shop.id, id), (_, state) => state.abort('lost')).catch(() => undefined)
    await ends(id, 'completed')
    lost.resolve(json(200, {}))
    expect(paths()).toEqual(['/reserve', '/pay', '/pay', '/ship'])
    expect(await stats()).toMatchObject({ open: 0 })
  })

  test('rings by the alarm although no time of it is stored, after a loss of memory, too', async () => {
    await define({
      steps: [
        { name: 'nap', sleep: { seconds: 2 } },
        { name: 'ship', call: at('ship') },
      ],
    })
    const id = await start()
    expect(await lookAtOf(id)).toEqual({ at: null })
    const saga = sagaOf(env, shop.id, id)
    await evictDurableObject(saga)
    await runDurableObjectAlarm(saga)
    await expect.poll(paths, { timeout: 20_000 }).toEqual(['/ship'])
    await ends(id, 'completed')
    expect(await lookAtOf(id)).toEqual({ at: expect.any(Number) })
  })

  test('has its time stored at once when nothing of it is due soon', async () => {
    await define({ steps: [{ name: 'approval', wait: { signal: 'ok' }, timeoutSeconds: 3600 }] })
    const id = await start()
    expect((await lookAtOf(id)).at).toBeGreaterThan(Date.now() + 3_000_000)
    expect(await stats()).toMatchObject({ open: 1 })
  })

  test('is not lost with a change that was rolled back', async () => {
    await define({ steps: [{ name: 'nap', sleep: { seconds: 1 } }] })
    const id = await start()
    const saga = sagaOf(env, shop.id, id)
    await runInDurableObject(saga, (_, { storage: { sql } }) => {
      const exec = sql.exec.bind(sql)
      let left = 2
      vi.spyOn(sql, 'exec').mockImplementation((query: string, ...bindings: unknown[]) => {
        if (query.startsWith('INSERT INTO runs') && left-- > 0) throw new Error('the disk is full')
        return exec(query, ...bindings)
      })
    })
    const beside = Array.from({ length: 400 }, (_, n) => `rolled-${id}-${n}`).find(
      (other) => hash32(other) % sagaActors === hash32(id) % sagaActors,
    )
    expect((await ask('POST /v1/sagas/order/runs', { body: { id: beside } })).status).toBeGreaterThanOrEqual(500)
    await ends(id, 'completed')
  })

  test('is beside runs that the version before stored, which go on', async () => {
    await define({
      steps: [
        { name: 'pay', call: at('pay'), pivot: true, retry: { ...retry, attempts: 1 } },
        { name: 'ship', call: at('ship') },
      ],
    })
    will('/ship', () => json(402, {}))
    const id = await start()
    await ends(id, 'attention')
    const saga = sagaOf(env, shop.id, id)
    await runInDurableObject(saga, (_, { storage: { sql } }) => {
      sql.exec(`UPDATE runs SET look_at = NULL; DROP INDEX runs_calling; DROP INDEX runs_open;
        CREATE INDEX runs_calling ON runs (id) WHERE is_calling = 1;
        CREATE INDEX runs_open ON runs (saga, state) WHERE state NOT IN ('completed', 'compensated');
        DELETE FROM schema_steps WHERE step = 2`)
    })
    await evictDurableObject(saga)
    expect(await stats()).toMatchObject({ open: 1, attention: 1 })
    expect((await ask(`POST /v1/saga-runs/${id}/steps/ship/retry`)).status).toBe(200)
    await ends(id, 'completed')
  })
})

/** Counts what an actor writes from now on: rows with the entries of their indexes, alarms, and values. */
async function countWrites(stub: DurableObjectStub): Promise<() => number> {
  let writes = 0
  await runInDurableObject(stub, (_, { storage }) => {
    const { sql, kv } = storage
    const exec = sql.exec.bind(sql)
    vi.spyOn(sql, 'exec').mockImplementation((query: string, ...bindings: unknown[]) => {
      const cursor = exec(query, ...bindings)
      if (/^\s*(?:INSERT|UPDATE|DELETE)/.test(query)) {
        cursor.toArray()
        writes += cursor.rowsWritten
      }
      return cursor
    })
    const put = kv.put.bind(kv)
    vi.spyOn(kv, 'put').mockImplementation((name: string, value: unknown) => {
      writes++
      put(name, value)
    })
    const setAlarm = storage.setAlarm.bind(storage)
    vi.spyOn(storage, 'setAlarm').mockImplementation(async (at) => {
      writes++
      await setAlarm(at)
    })
  })
  return () => writes
}

describe('the price', () => {
  /** Runs of three steps in one actor, and what one of their steps writes. */
  async function writesOfStep(definition: unknown, runsAtOnce: number, times: number): Promise<number> {
    await define(definition)
    const ids = Array.from({ length: 4000 }, (_, n) => `price-${++runs}-${n}`)
      .filter((id) => hash32(id) % sagaActors === 5)
      .slice(0, runsAtOnce * times + 1)
    const [first = ''] = ids
    await start({ id: first })
    await ends(first, 'completed')
    const saga = sagaOf(env, shop.id, first)
    const writes = await countWrites(saga)
    for (let n = 0; n < times; n++) {
      const some = ids.slice(1 + n * runsAtOnce, 1 + (n + 1) * runsAtOnce)
      await Promise.all(some.map((id) => start({ id })))
      for (const id of some) await ends(id, 'completed')
    }
    return writes() / (3 * runsAtOnce * times)
  }

  test('of a step is at most 2.1 rows while runs follow each other, with everything that its run writes', async () => {
    expect(await writesOfStep(order, 20, 2)).toBeLessThanOrEqual(2.1)
  })

  test('of a step is at most 2.7 rows when its run is alone', async () => {
    expect(await writesOfStep(order, 1, 5)).toBeLessThanOrEqual(2.7)
  })
})

describe('a definition', () => {
  test.each([
    ['a cycle', { steps: [{ name: 'a', call: at('a'), after: ['a'] }] }, 'steps.0.after: "a" is the step itself'],
    ['two kinds of work', { steps: [{ name: 'a', call: at('a'), sleep: { seconds: 1 } }] }, 'give one of call'],
    [
      'an address inside the network',
      { steps: [{ name: 'a', call: { url: 'https://10.0.0.1/' } }] },
      'steps.0.call.url',
    ],
    ['an unknown operation', { steps: [{ name: 'a', operation: { operation: 'dance' } }] }, '"dance" is no operation'],
    ['an operator’s operation', { steps: [{ name: 'a', operation: { operation: 'listTenants' } }] }, 'is no operation'],
  ])('with %s is refused with the reason', async (_, definition, reason) => {
    const answer = await ask('PUT /v1/sagas/bad', { body: definition })
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toContain(reason)
  })

  test('is the same version when it is registered again', async () => {
    expect([(await define(order))['version'], (await define(order))['version']]).toEqual([1, 1])
    expect((await ask('GET /v1/sagas')).body['sagas']).toEqual([{ name: 'order', version: 1 }])
    expect((await ask('DELETE /v1/sagas/order')).status).toBe(204)
    expect((await ask('POST /v1/sagas/order/runs', { body: { id: 'late' } })).status).toBe(404)
  })
})

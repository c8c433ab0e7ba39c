import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Rules } from '../../src/limits/rules.ts'
import { deletionView } from '../../src/protocol/deletion-api.ts'
import { settleMs } from '../../src/tenants/deletion.ts'
import { tenantTables } from '../../src/tenants/stores.ts'
import { deletionOf, deletionTurn, eraseTenant, keepAlarms } from '../support/worker/own-runs.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import type { Line } from '../support/worker/line.ts'
import { postgresIsThere, type Statement } from '../support/worker/shards.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'
import { connect, lively, namespace } from '../support/worker/topics.ts'

const asOperator = { as: operatorKey }
const fiveAtOnce: Rules = {
  windows: [{ algorithm: 'concurrency', limit: 5, windowMs: 0, burst: 5 }],
  mode: 'hard',
  version: 1,
}

/** A tenant with something in every kind of store, and its actors by what they are. */
class Full {
  readonly tenant: TestTenant
  readonly conversation: string
  line: Line | undefined

  constructor(tenant: TestTenant, conversation: string) {
    this.tenant = tenant
    this.conversation = conversation
  }

  static async make(): Promise<Full> {
    const tenant = await newTenant()
    const { key } = tenant
    const full = new Full(tenant, await tenant.group('alice', 'bob'))
    await tenant.postMany(full.conversation, 'alice', 3)
    await namespace(tenant, 'scores', lively)
    succeeded(await call('POST /api/publish', { as: key, body: { channel: 'scores:final', data: { goals: 2 } } }))
    const job = { url: 'https://hooks.example.com/mail', payload: {}, delaySeconds: 3600 }
    succeeded(await call('POST /v1/jobs', { as: key, body: { ...job, queue: 'mails' } }))
    succeeded(await call('POST /v1/jobs', { as: key, body: job }))
    await env.RATE_LIMITER.getByName(`${tenant.id}/logins:alice`).hold(fiveAtOnce, 'holder', 1, 60_000)
    succeeded(await call('POST /v1/users/eve/revoke', { as: key }))
    const events = [
      { type: 'order.placed', starts: true },
      { type: 'order.shipped', ends: true },
    ]
    succeeded(await call('PUT /v1/processes/order', { as: key, body: { events } }))
    succeeded(await call('POST /v1/events', { as: key, body: { type: 'order.placed', key: 'o-1' } }))
    const instance = 'GET /v1/processes/order/instances/o-1'
    await eventually('an instance', async () => (await call(instance, { as: key })).status === 200 || undefined)
    return full
  }

  /** Every actor of the tenant, by its class and name. */
  actors(): Record<string, DurableObjectStub> {
    const { id } = this.tenant
    return {
      conversation: env.CONVERSATION.getByName(`${id}/${this.conversation}`),
      topic: env.TOPIC.getByName(`${id}/scores:final`),
      'inbox of alice': env.INBOX.getByName(`${id}/alice`),
      'inbox of eve': env.INBOX.getByName(`${id}/eve`),
      'queue default': env.JOB_QUEUE.getByName(`${id}/default`),
      'queue mails': env.JOB_QUEUE.getByName(`${id}/mails`),
      limiter: env.RATE_LIMITER.getByName(`${id}/logins:alice`),
      process: env.PROCESS_VIEW.getByName(`${id}/order`),
      events: env.EVENT_LOG.getByName(`${id}/default`),
      activity: env.ACTIVITY.getByName(`${id}/0`),
      ...Object.fromEntries([0, 1, 2, 3].map((n) => [`notes ${n}`, env.INBOX_NOTES.getByName(`${id}/${n}`)])),
      ...Object.fromEntries([0, 1, 2, 3].map((n) => [`names ${n}`, env.ACTOR_NAMES.getByName(`${id}/${n}`)])),
    }
  }

  /** What the actors have stored, row by row. */
  async stored(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const [name, actor] of Object.entries(this.actors())) found[name] = await storedIn(actor)
    return found
  }

  /** The alarms after which the tenant's lists have all names. */
  async settle(): Promise<void> {
    for (const actor of Object.values(this.actors())) await runDurableObjectAlarm(actor)
  }
}

async function storedIn(actor: DurableObjectStub): Promise<string[]> {
  return await runInDurableObject(actor, (_, { storage }) => {
    const tables = storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '!_cf!_%' ESCAPE '!' AND name <> 'schema_steps'",
      )
      .toArray()
    const rows = tables.flatMap(({ name }) =>
      storage.sql
        .exec(`SELECT * FROM "${name}"`)
        .toArray()
        .map((row) => `${name} ${JSON.stringify(row)}`),
    )
    return [...rows, ...[...storage.kv.list()].map(([key]) => `kv ${key}`)]
  })
}

const tenantActor = (id: string) => env.TENANT.getByName(id)

describe('a tenant is deleted', () => {
  let acme: Full
  let other: Full
  let before: Record<string, string[]>
  let statements: Statement[] = []
  const rows = ({ query }: Statement) =>
    query.includes(' AS deleted') ? [{ deleted: 0, last: '' }] : query.includes('count(*) AS rows') ? [{ rows: 0 }] : []

  beforeAll(async () => {
    statements = postgresIsThere(rows)
    acme = await Full.make()
    other = await Full.make()
    await acme.settle()
    await other.settle()
    acme.line = await connect(await acme.tenant.token('alice'))
    stopClock()
  })
  afterAll(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  test('1. its connections are closed with a reason, and its keys and tokens refused, at once', async () => {
    const token = await acme.tenant.token('bob')
    const deleted = await call(`DELETE /admin/v1/tenants/${acme.tenant.id}`, asOperator)
    expect(deleted.status).toBe(202)
    expect(deletionView.parse(deleted.body)).toMatchObject({ phase: 'grace', waitsFor: 'the end of the grace' })
    await runDurableObjectAlarm(tenantActor(acme.tenant.id))
    expect(await acme.line?.closed()).toMatchObject({ code: 4505, reason: 'tenant deleted' })
    pass(1100)
    for (const as of [acme.tenant.key, token])
      expect(await call('GET /v1/conversations', { as })).toMatchObject({
        status: 403,
        body: { detail: 'this tenant is being deleted' },
      })
    const { body } = await call(`GET /admin/v1/tenants/${acme.tenant.id}`, asOperator)
    expect(body).toMatchObject({ state: 'deleting' })
  })

  test('2. it cannot be changed meanwhile, and its queues start no job', async () => {
    const { id } = acme.tenant
    const put = await call(`PUT /admin/v1/tenants/${id}`, { ...asOperator, body: { name: 'Acme' } })
    expect(put).toMatchObject({ status: 409, body: { detail: expect.stringContaining('/restore restores it until') } })
    const patch = await call(`PATCH /admin/v1/tenants/${id}`, { ...asOperator, body: { state: 'active' } })
    expect(patch).toMatchObject({ status: 409 })
    await runDurableObjectAlarm(tenantActor(id))
    for (const queue of ['default', 'mails'])
      expect(await storedIn(env.JOB_QUEUE.getByName(`${id}/${queue}`))).toContain('facts {"name":"held","value":"1"}')
  })

  test('3. it is restored within the grace, with all that it had', async () => {
    const { id, key } = acme.tenant
    const restored = await call(`POST /admin/v1/tenants/${id}/restore`, asOperator)
    expect(restored).toMatchObject({ status: 200, body: { state: 'active' } })
    expect((await call(`POST /admin/v1/tenants/${id}/restore`, asOperator)).status).toBe(409)
    pass(1100)
    await runDurableObjectAlarm(tenantActor(id))
    const read = succeeded(await call(`GET /v1/conversations/${acme.conversation}/messages`, { as: key }))
    expect(read.messages.length).toBeGreaterThanOrEqual(3)
    expect((await call(`GET /admin/v1/tenants/${id}/deletion`, asOperator)).status).toBe(404)
    expect(await storedIn(env.JOB_QUEUE.getByName(`${id}/mails`))).toContain('facts {"name":"held","value":"0"}')
  })

  test('4. deleted again, it is erased, although every process dies in or after each turn', async () => {
    before = await other.stored()
    const { id } = acme.tenant
    const deleted = await call(`DELETE /admin/v1/tenants/${id}?graceDays=0`, asOperator)
    expect(deletionView.parse(deleted.body).phase).toBe('grace')
    let turns = 0
    for (; (await deletionOf(id)).phase !== 'deleted'; turns++) {
      expect(turns).toBeLessThan(200)
      pass(settleMs)
      const setLostAlarms = await keepAlarms(id)
      // Every other turn is cut off in the middle, a little later each time.
      const one = deletionTurn(id).catch(() => undefined)
      if (turns % 2 === 0) await scheduler.wait(turns)
      else await one
      await abortAllDurableObjects()
      await one
      await setLostAlarms()
    }
    expect(turns).toBeGreaterThan(5)
  })

  test('5. the report says that nothing is left in any store', async () => {
    const report = await deletionOf(acme.tenant.id)
    expect(report).toMatchObject({ phase: 'deleted', waitsFor: null, failure: null })
    for (const { store, state, left } of report.stores)
      expect({ store, state, left }).toEqual({ store, state: 'empty', left: 0 })
    const erased = Object.fromEntries(report.stores.map(({ store, erased }) => [store, erased]))
    expect(erased).toMatchObject({
      'Conversation/listed': 1,
      'Topic/listed': 1,
      'JobQueue/listed': 1,
      'ProcessView/listed': 1,
    })
    // Limiters of the tenant's requests are among them.
    expect(erased['RateLimiter/listed']).toBeGreaterThanOrEqual(1)
    expect(erased['Inbox/listed']).toBeGreaterThanOrEqual(2)
  })

  test('6. and so it is: no actor has a row, and each table was emptied of it on every shard', async () => {
    const left = Object.entries(await acme.stored()).filter(([, stored]) => stored.length > 0)
    expect(left).toEqual([])
    expect(await storedIn(tenantActor(acme.tenant.id))).toEqual(['kv deletion'])
    for (const { name } of tenantTables) {
      const deletes = statements.filter(
        ({ query }) => query.includes(`DELETE FROM ${name} `) && query.includes(' AS deleted'),
      )
      expect(deletes.length).toBeGreaterThan(0)
      for (const { params } of deletes) expect(params[0]).toBe(acme.tenant.id)
    }
  })

  test('7. its id is never given to another tenant, and the error says so', async () => {
    const { id, key } = acme.tenant
    expect((await call(`GET /admin/v1/tenants/${id}`, asOperator)).status).toBe(410)
    expect(await call(`PUT /admin/v1/tenants/${id}`, { ...asOperator, body: { name: 'Acme' } })).toMatchObject({
      status: 409,
      body: { detail: 'id: this tenant was deleted, and its id is never given to another one; choose another id' },
    })
    expect((await call(`POST /admin/v1/tenants/${id}/restore`, asOperator)).status).toBe(409)
    pass(15_000)
    expect((await call('GET /v1/conversations', { as: key })).status).toBe(401)
    expect(await deletionOf(id)).toMatchObject({ phase: 'deleted' })
    const again = await call(`DELETE /admin/v1/tenants/${id}`, asOperator)
    expect(deletionView.parse(again.body).phase).toBe('deleted')
  })

  test('8. what comes late does nothing and leaves nothing', async () => {
    const { id } = acme.tenant
    const { conversation, topic } = acme.actors()
    const late = [
      env.JOB_QUEUE.getByName(`${id}/mails`).enqueue({ id: 'late', type: 'join', payload: '{}', runAt: 0 }),
      env.JOB_QUEUE.getByName(`${id}/default`).startRun('late', 1),
      env.INBOX_NOTES.getByName(`${id}/0`).open('alice'),
      env.INBOX.getByName(`${id}/alice`).revoke(),
      env.RATE_LIMITER.getByName(`${id}/logins:bob`).hold(fiveAtOnce, 'holder', 1, 60_000),
      env.TOPIC.getByName(`${id}/scores:final`).execute({
        gateway: null,
        have: null,
        rules: { version: 1, historySize: 10, historyTtlSeconds: 300, joinLeave: false },
        commands: [{ kind: 'publish', user: '', client: '', server: true, data: '{}' }],
      }),
    ]
    const outcomes = await Promise.allSettled(late)
    expect(outcomes.map(({ status }) => status)).toEqual(late.map(() => 'rejected'))
    const bob = env.RATE_LIMITER.getByName(`${id}/logins:bob`)
    for (const actor of [bob, conversation, topic, ...Object.values(acme.actors())])
      if (actor) expect(await storedIn(actor)).toEqual([])
  })

  test('9. the other tenant has every row that it had', async () => {
    const after = await other.stored()
    for (const [name, stored] of Object.entries(before))
      expect({ name, stored: after[name] }).toEqual({ name, stored: expect.arrayContaining(stored) })
    expect((await other.tenant.post(other.conversation, 'alice', 'still here')).status).toBe(201)
  })
})

test('a queue that only the list of another names is erased, though its tenant is deleted at once', async () => {
  stopClock()
  postgresIsThere(({ query }) => (query.includes('count(*) AS rows') ? [{ rows: 0 }] : []))
  const { id, key } = await newTenant()
  const body = { url: 'https://hooks.example.com/mail', payload: {}, delaySeconds: 3600, queue: 'mails' }
  succeeded(await call('POST /v1/jobs', { as: key, body }))
  await call(`DELETE /admin/v1/tenants/${id}?graceDays=0`, asOperator)
  await eraseTenant(id)
  const { stores } = await deletionOf(id)
  expect(stores.find(({ store }) => store === 'JobQueue/listed')).toMatchObject({ erased: 1, checked: 1, left: 0 })
  expect(await storedIn(env.JOB_QUEUE.getByName(`${id}/mails`))).toEqual([])
  vi.useRealTimers()
})

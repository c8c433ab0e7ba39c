import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { sagaOf } from '../../durable-objects/address.ts'
import { erasureView } from '../../src/protocol/erasure-api.ts'
import { sagaRun } from '../../src/protocol/sagas-api.ts'
import { ownSagasTenant } from '../../src/sagas/own.ts'
import { settleMs } from '../../src/tenants/user-erasure.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { KeptRows } from '../support/worker/kept-rows.ts'
import type { Line } from '../support/worker/line.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'
import { connect } from '../support/worker/topics.ts'

const user = 'alice-of-the-tests'
const secret = 'what only this user would write'

/** A tenant whose user has left something in every kind of store that holds anything of users. */
class Full {
  readonly tenant: TestTenant
  group = ''
  direct = ''
  left = ''
  line: Line | undefined

  constructor(tenant: TestTenant) {
    this.tenant = tenant
  }

  static async make(): Promise<Full> {
    const full = new Full(await newTenant())
    const { tenant } = full
    // It always fails, so that what is posted is kept to be tried again.
    succeeded(
      await call('PUT /v1/consumers/all', {
        as: tenant.key,
        body: { topic: '$parley', push: { url: 'https://crm.example/' } },
      }),
    )
    await runDurableObjectAlarm(env.TENANT.getByName(tenant.id))
    full.group = await tenant.group(user, 'bob', 'carol')
    full.left = await tenant.group('bob', user)
    const members = [user, 'bob']
    full.direct = succeeded(
      await call('POST /v1/conversations', { as: tenant.key, body: { type: 'direct', members } }),
    ).id
    for (const id of [full.group, full.direct, full.left]) {
      succeeded(await tenant.post(id, 'bob', `hello, said bob`))
      succeeded(await tenant.post(id, user, secret, `${user}-1`))
      const { seq } = succeeded(await tenant.post(id, user, secret))
      const edit = { text: `${secret}, or so` }
      const as = await tenant.token(user)
      succeeded(await call(`PATCH /v1/conversations/${id}/messages/${seq}`, { as, body: edit }))
      // The tenant's server edits it once more.
      succeeded(await call(`PATCH /v1/conversations/${id}/messages/${seq}`, { as: tenant.key, body: edit }))
      const mention = { clientId: 'm', text: 'look here', user: 'bob', mentions: [user] }
      succeeded(await call(`POST /v1/conversations/${id}/messages`, { as: tenant.key, body: mention }))
      succeeded(await tenant.post(id, user, `${secret}, last`))
    }
    succeeded(await tenant.remove(full.left, user))
    const later = { clientId: 'later', text: secret, deliverAt: Date.now() + 3_600_000 }
    succeeded(
      await call(`POST /v1/conversations/${full.group}/messages`, { as: await tenant.token(user), body: later }),
    )
    full.line = await connect(await tenant.token(user))
    // A user whose list shows what the user wrote.
    succeeded(await call('GET /v1/conversations', { as: await tenant.token('bob') }))
    return full
  }

  /** Every actor of the tenant that holds anything of users, by what it is. */
  actors(): Record<string, DurableObjectStub> {
    const { id } = this.tenant
    const numbers = [0, 1, 2, 3]
    return {
      group: env.CONVERSATION.getByName(`${id}/${this.group}`),
      direct: env.CONVERSATION.getByName(`${id}/${this.direct}`),
      left: env.CONVERSATION.getByName(`${id}/${this.left}`),
      'own inbox': env.INBOX.getByName(`${id}/${user}`),
      'inbox of bob': env.INBOX.getByName(`${id}/bob`),
      'inbox of carol': env.INBOX.getByName(`${id}/carol`),
      queue: env.JOB_QUEUE.getByName(`${id}/default`),
      activity: env.ACTIVITY.getByName(`${id}/0`),
      ...Object.fromEntries(numbers.map((n) => [`notes ${n}`, env.INBOX_NOTES.getByName(`${id}/${n}`)])),
      ...Object.fromEntries(numbers.map((n) => [`names ${n}`, env.ACTOR_NAMES.getByName(`${id}/${n}`)])),
      ...Object.fromEntries(
        numbers.map((n) => [`limits ${n}`, env.RATE_LIMITER.getByName(`${id}/messages-of-users:${n}`)]),
      ),
      tenant: env.TENANT.getByName(id),
      'own events': env.EVENT_LOG.getByName(`${id}/$parley`),
      consumer: env.EVENT_CONSUMER.getByName(`${id}/all`),
      catalog: env.EVENT_CATALOG.getByName(`${id}/events`),
    }
  }

  /** Rows of the actors that contain a text. */
  async rowsWith(text: string): Promise<string[]> {
    const found: string[] = []
    for (const [name, actor] of Object.entries(this.actors()))
      for (const row of await storedIn(actor)) if (row.includes(text)) found.push(`${name}: ${row}`)
    return found
  }

  /** Has the conversations copied to Postgres. */
  async project(): Promise<void> {
    const { group, direct, left } = this.actors()
    for (const actor of [group, direct, left]) if (actor !== undefined) await runDurableObjectAlarm(actor)
  }

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
    return [...rows, ...[...storage.kv.list()].map(([key, value]) => `kv ${key} ${JSON.stringify(value)}`)]
  })
}

const erasureOf = async ({ tenant: { key } }: Full) =>
  erasureView.parse((await call(`GET /v1/users/${user}/erasure`, { as: key })).body)

const runOf = async ({ tenant: { id } }: Full): Promise<string> =>
  await runInDurableObject(env.INBOX.getByName(`${id}/${user}`), (inbox) => inbox.erasure()?.run ?? '')

/** Lets the run make its next call, and waits until it has ended. */
async function turn(full: Full): Promise<void> {
  const run = await runOf(full)
  const actor = sagaOf(env, ownSagasTenant, run)
  await runDurableObjectAlarm(actor)
  await eventually('the end of a call', async () => {
    const { body } = await call(`GET /admin/v1/saga-runs/${run}`, { as: operatorKey })
    return sagaRun.parse(body).steps.every(({ state }) => state !== 'active') || undefined
  })
}

describe.each(['delete', 'keep-anonymous'] as const)('a user is erased (messages: %s)', (messages) => {
  const rows = new KeptRows()
  let acme: Full
  let token = ''

  beforeAll(async () => {
    postgresIsThere(rows.answer)
    const { fetch } = globalThis
    vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) =>
      input === 'https://crm.example/' ? new Response(null, { status: 500 }) : await fetch(input, init),
    )
    acme = await Full.make()
    token = await acme.tenant.token(user)
    await acme.settle()
    stopClock()
    pass(60_000)
    await acme.settle()
    rows.archiveAll()
    succeeded(await acme.tenant.post(acme.group, user, `${secret}, young`))
    pass(60_000)
    await acme.settle()
  })
  afterAll(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  test('1. before it every store has something of the user', async () => {
    expect(rows.text()).toContain(secret)
    expect(rows.pages.length).toBeGreaterThan(0)
    const found = (await acme.rowsWith(user)).map((row) => row.split(':')[0])
    for (const name of ['group', 'direct', 'left', 'inbox of bob', 'queue', 'activity', 'own events', 'consumer'])
      expect(found).toContain(name)
  })

  test('2. connections are closed and tokens refused, at once', async () => {
    const asked = await call(`DELETE /v1/users/${user}?messages=${messages}`, { as: acme.tenant.key })
    expect(asked.status).toBe(202)
    expect(erasureView.parse(asked.body)).toMatchObject({ messages, phase: 'settling', endedAt: null })
    expect((await acme.line?.closed())?.code).toBe(4501)
    pass(1100)
    expect((await call('GET /v1/conversations', { as: token })).status).toBe(401)
    // Also one that is issued now.
    expect((await call('GET /v1/conversations', { as: await acme.tenant.token(user) })).status).toBe(401)
  })

  test('3. the same request again is the same run', async () => {
    const run = await runOf(acme)
    const other = messages === 'delete' ? 'keep-anonymous' : 'delete'
    const again = await call(`DELETE /v1/users/${user}?messages=${other}`, { as: acme.tenant.key })
    expect(erasureView.parse(again.body).messages).toBe(messages)
    expect(await runOf(acme)).toBe(run)
  })

  test('4. everything is gone through, although processes die in or after each turn', async () => {
    for (let turns = 0; (await erasureOf(acme)).phase !== 'erased'; turns++) {
      expect(turns).toBeLessThan(200)
      pass(settleMs)
      const one = turn(acme).catch(() => undefined)
      // Every other turn is cut off in the middle, a little later each time.
      if (messages === 'delete' && turns % 2 === 0) await scheduler.wait(turns)
      else await one
      if (messages === 'delete') await abortAllDurableObjects()
      await one
      await acme.project()
    }
  })

  test('5. no store has the id of the user any more, nor the text where it was to be deleted', async () => {
    await acme.settle()
    expect(await acme.rowsWith(user)).toEqual([])
    expect(rows.text()).not.toContain(user)
    if (messages === 'keep-anonymous') return
    expect(await acme.rowsWith(secret)).toEqual([])
    expect(rows.text()).not.toContain(secret)
    // Members are told of each message by an entry, which those that were away receive when they come back.
    const told = (await acme.rowsWith('message.deleted')).filter((row) => row.startsWith('group: messages'))
    expect(told.length).toBeGreaterThanOrEqual(3)
  })

  test('6. the report says what was erased in each store, and that nothing is left', async () => {
    const { endedAt, failure, stores } = await erasureOf(acme)
    expect(endedAt).not.toBeNull()
    expect(failure).toBeNull()
    expect(stores.filter(({ left }) => left > 0)).toEqual([])
    const erased = Object.fromEntries(stores.map(({ store, erased }) => [store, erased]))
    for (const store of ['Conversation', 'archive', 'Inbox', 'JobQueue']) expect(erased[store]).toBeGreaterThan(0)
  })

  test('7. others read the conversation as before, with the pseudonym in the place of the user', async () => {
    const as = await acme.tenant.token('bob')
    for (const id of [acme.group, acme.direct]) {
      const { messages: entries } = succeeded(await call(`GET /v1/conversations/${id}/messages`, { as }))
      const text = JSON.stringify(entries)
      expect(text).toContain('hello, said bob')
      expect(text).toContain('erased-')
      expect(text.includes(secret)).toBe(messages === 'keep-anonymous')
    }
    const { members } = succeeded(await call(`GET /v1/conversations/${acme.group}`, { as }))
    expect(JSON.stringify(members)).not.toContain(user)
  })

  test('8. what comes late does not bring the user back', async () => {
    const late = await acme.tenant.post(acme.group, user, secret)
    expect(late.status).toBe(403)
    expect((await call('GET /v1/conversations', { as: token })).status).toBe(401)
    const again = await call(`DELETE /v1/users/${user}`, { as: acme.tenant.key })
    expect(erasureView.parse(again.body)).toMatchObject({ phase: 'erased', messages })
    await acme.settle()
    expect(await acme.rowsWith(user)).toEqual([])
  })

  test('9. the run that did it no longer names the user, and nothing has the pseudonym and the user together', async () => {
    const run = await runOf(acme)
    const stored = await storedIn(sagaOf(env, ownSagasTenant, run))
    expect(stored.filter((row) => row.includes(run)).join('')).not.toContain(user)
    expect((await storedIn(env.INBOX.getByName(`${acme.tenant.id}/${user}`))).join('')).not.toContain('erased-')
  })
})

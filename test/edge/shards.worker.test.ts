import { createExecutionContext, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { conversationOf, jobQueueOf, shardWriterOf, tenantOf } from '../../durable-objects/address.ts'
import { newestMigration } from '../../src/adapters/neon/newest-migration.ts'
import { Deadline } from '../../src/adapters/deadline.ts'
import { openShard } from '../../src/adapters/neon/shards.ts'
import { loadConfig } from '../../src/config.ts'
import { app } from '../../src/edge/http/app.ts'
import type { Env } from '../../src/env.ts'
import { noteRegion } from '../../src/tenants/regions.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { databasesAreThere, type FakeDatabase } from '../support/worker/databases.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { tableOf, type Statement } from '../support/worker/shards.ts'
import { operatorKey, succeeded, TestTenant } from '../support/worker/tenant.ts'

let database: (name: string) => FakeDatabase
beforeEach(() => {
  database = databasesAreThere()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const asOperator = (line: string, body?: object): Promise<Answer> =>
  call(line, { as: operatorKey, ...(body === undefined ? {} : { body }) })

let count = 0
const freshName = () => `eu${++count}_${crypto.randomUUID().slice(0, 8)}`
const urlOf = (name: string, password = 'open-sesame') => `postgresql://parley_app:${password}@db.example.com/${name}`

/** Registers a shard that no other test knows. */
async function register(more: object = {}): Promise<string> {
  const name = freshName()
  succeeded(await asOperator(`PUT /admin/v1/shards/${name}`, { connection: urlOf(name), ...more }))
  return name
}

const shardsIn = z.object({ shards: z.array(z.looseObject({ name: z.string(), state: z.string() })) })
const listed = async () => shardsIn.parse((await asOperator('GET /admin/v1/shards')).body).shards
const setState = async (name: string, state: string) =>
  void succeeded(await asOperator(`PATCH /admin/v1/shards/${name}`, { state }))

/** A new tenant of the region that only the shard of the test has. */
async function tenantIn(region: string): Promise<TestTenant> {
  const id = `t${crypto.randomUUID()}`
  const { apiKey } = succeeded(await asOperator(`PUT /admin/v1/tenants/${id}`, { name: 'Test', region }))
  return new TestTenant(id, apiKey)
}

const shardOf = async ({ id }: TestTenant) => (await tenantOf(env, id).placement())?.shard

describe('a shard that is registered while the system runs', () => {
  test('takes new tenants and their messages, without a restart; older tenants stay where they are', async () => {
    const before = await tenantIn('oc')
    const placed = await shardOf(before)
    const shard = await register({ region: 'oc' })
    const tenant = await tenantIn('oc')
    expect(await shardOf(tenant)).toBe(shard)
    expect(await shardOf(before)).toBe(placed)
    succeeded(await asOperator(`PUT /admin/v1/tenants/${before.id}`, { name: 'Again', region: 'oc' }))
    expect(await shardOf(before)).toBe(placed)

    const lunch = await tenant.group('alice', 'bob')
    await tenant.postMany(lunch, 'alice', 2)
    await runDurableObjectAlarm(tenant.actorOf(lunch))
    const tables = () => database(shard).statements.map(tableOf)
    await expect.poll(tables).toContain('messages')
    await runDurableObjectAlarm(tenantOf(env, tenant.id))
    await expect.poll(tables).toContain('placements')
    expect([...database(shard).credentials]).toEqual(['parley_app:open-sesame@db.example.com'])
    await setState(shard, 'draining')
  })

  test('has its partitions at once', async () => {
    const shard = await register({ state: 'draining' })
    expect(database(shard).statements).toEqual([
      expect.objectContaining({ query: expect.stringContaining('create_message_partition') }),
    ])
  })

  test('shows its connection string in no answer and in no storage', async () => {
    const shard = await register({ state: 'draining' })
    const { text } = await asOperator('GET /admin/v1/shards')
    expect(text).toContain(shard)
    expect(text).not.toContain('open-sesame')
    const stored = await runInDurableObject(env.PLATFORM.getByName('house'), (_, { storage }) =>
      JSON.stringify(storage.kv.get('shards')),
    )
    expect(stored).toContain(`"text":"v1.k1.`)
    expect(stored).not.toContain('open-sesame')
  })

  test('may have its connection string in a secret of the Worker, one named DATABASE_URL_… and no other', async () => {
    const name = freshName()
    const made = await asOperator(`PUT /admin/v1/shards/${name}`, { secret: 'DATABASE_URL_SPARE', state: 'draining' })
    expect(made.body).toMatchObject({ connection: { kind: 'secret', secret: 'DATABASE_URL_SPARE' } })
    for (const secret of ['ADMIN_KEY', 'DATABASE_URL_ABSENT']) {
      const refused = await asOperator(`PUT /admin/v1/shards/${freshName()}`, { secret })
      expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('secret')])
    }
  })
})

describe('a registration is refused', () => {
  test.each([
    ['directory', {}, 400, /name: not one of .*directory/],
    ['Upper', {}, 400, /name: a lower-case letter/],
    ['x1', { connection: 'http://a:b@c/d' }, 400, /connection.*postgresql/],
    ['x1', { connection: urlOf('x1'), secret: 'DATABASE_URL_SPARE' }, 400, /exactly one/],
    ['x1', { connection: undefined }, 400, /exactly one/],
    ['x1', { weight: 0 }, 400, /weight/],
    ['x1', { region: 'mars' }, 400, /region/],
    ['x1', { jurisdiction: 'eu' }, 400, /jurisdiction: "eu" is not available/],
    ['shard0', { jurisdiction: 'eu' }, 409, /jurisdiction: shard0 has none/],
  ])('with what is wrong: %s %j', async (name, body, status, detail) => {
    const answer = await asOperator(`PUT /admin/v1/shards/${name}`, { connection: urlOf(name), ...body })
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)])
  })

  test('when the database lacks migrations, does not answer, or is registered under another name', async () => {
    const [behind, away, twice] = [freshName(), freshName(), freshName()]
    database(behind).migration = newestMigration.shard - 1
    const early = await asOperator(`PUT /admin/v1/shards/${behind}`, { connection: urlOf(behind) })
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining('npm run migrate')])

    const none = freshName()
    database(none).refusal = { code: '42P01', message: 'relation "schema_migrations" does not exist' }
    const empty = await asOperator(`PUT /admin/v1/shards/${none}`, { connection: urlOf(none) })
    expect([empty.status, empty.body.detail]).toEqual([409, expect.stringContaining('has migration 0')])
    database(none).refusal = { code: '28P01', message: 'password authentication failed for user "parley_app"' }
    const locked = await asOperator(`PUT /admin/v1/shards/${none}`, { connection: urlOf(none) })
    expect([locked.status, locked.body.detail]).toEqual([
      409,
      expect.stringContaining('password authentication failed'),
    ])

    database(away).isAway = true
    const dark = await asOperator(`PUT /admin/v1/shards/${away}`, { connection: urlOf(away) })
    expect([dark.status, dark.body]).toEqual([503, expect.objectContaining({ dependency: away })])

    const known = await register({ state: 'draining' })
    const double = await asOperator(`PUT /admin/v1/shards/${twice}`, { connection: urlOf(known, 'other') })
    expect([double.status, double.body.detail]).toEqual([409, expect.stringContaining(`as ${known}`)])
    expect((await listed()).map(({ name }) => name)).not.toEqual(expect.arrayContaining([behind]))
  })

  test('without a key to encrypt the connection string with', async () => {
    const name = freshName()
    const answer = await withVars({ ENCRYPTION_KEYS: undefined }, `PUT /admin/v1/shards/${name}`, {
      connection: urlOf(name),
    })
    expect(answer.status).toBe(409)
    expect(await answer.text()).toContain('ENCRYPTION_KEYS is not set')
  })
})

describe('the state of a shard', () => {
  test('draining: it takes no new tenant, and those it has go on', async () => {
    const shard = await register({ region: 'afr' })
    const tenant = await tenantIn('afr')
    await setState(shard, 'draining')
    expect(await shardOf(await tenantIn('afr'))).not.toBe(shard)
    expect(await writeTo(shard, tenant.id)).toMatchObject({ kind: 'written' })
  })

  test('read-only: it takes no write and no new tenant, old messages are read, and what waited is written later', async () => {
    const shard = await register({ region: 'sam' })
    const tenant = await tenantIn('sam')
    await setState(shard, 'read-only')
    expect(await shardOf(await tenantIn('sam'))).not.toBe(shard)
    expect(await writeTo(shard, tenant.id)).toEqual({ kind: 'failed', why: `${shard}: the shard is read-only` })
    await openShard(loadConfig(env), env.PLATFORM.getByName('house'), shard, 'read')
    await setState(shard, 'active')
    expect(await writeTo(shard, tenant.id)).toMatchObject({ kind: 'written' })
    await setState(shard, 'draining')
  })

  test('of a shard that the configuration names can be changed as well', async () => {
    await setState('shard1', 'draining')
    expect(await listed()).toContainEqual(
      expect.objectContaining({ name: 'shard1', state: 'draining', isConfigured: true }),
    )
    const removal = await asOperator('DELETE /admin/v1/shards/shard1')
    expect([removal.status, removal.body.detail]).toEqual([409, expect.stringContaining('SHARDS')])
    await setState('shard1', 'active')
  })

  test('of a shard that does not exist cannot be changed', async () => {
    expect((await asOperator('PATCH /admin/v1/shards/absent', { state: 'active' })).status).toBe(404)
    expect((await asOperator('DELETE /admin/v1/shards/absent')).status).toBe(404)
  })
})

test('a shard is removed when it is draining and holds no tenant', async () => {
  const shard = await register()
  const active = await asOperator(`DELETE /admin/v1/shards/${shard}`)
  expect([active.status, active.body.detail]).toEqual([409, expect.stringContaining('draining first')])
  await setState(shard, 'draining')
  expect((await asOperator(`DELETE /admin/v1/shards/${shard}`)).status).toBe(204)
  expect((await listed()).map(({ name }) => name)).not.toContain(shard)
})

test('without an active shard no tenant is made, and one that exists can be changed', async () => {
  const tenant = await tenantIn('weur')
  for (const { name, state } of await listed()) if (state === 'active') await setState(name, 'draining')
  const refused = await asOperator(`PUT /admin/v1/tenants/t${crypto.randomUUID()}`, { name: 'Late' })
  expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('no active shard')])
  expect((await asOperator(`PUT /admin/v1/tenants/${tenant.id}`, { name: 'Known' })).status).toBe(200)
  for (const name of ['shard0', 'shard1']) await setState(name, 'active')
})

test('a shard whose schema is older than the Worker needs is refused, said in /readyz, and used once it was migrated', async () => {
  stopClock()
  const shard = await register({ state: 'draining' })
  const { name } = env.PLATFORM.getByName('house')
  // A deploy that needs a further migration: the shard was never seen with it.
  await env.PLATFORM.getByName(name ?? 'house').noteShardSchema(shard, newestMigration.shard - 1)
  database(shard).migration = newestMigration.shard - 1
  pass(10_000)
  const refused = `${shard}: has migration ${newestMigration.shard - 1} of ${newestMigration.shard}: its work is refused until the migrations have run`
  expect(await writeTo(shard, 'acme')).toEqual({ kind: 'failed', why: refused })
  await expect(openShard(loadConfig(env), env.PLATFORM.getByName('house'), shard, 'read')).rejects.toThrow(refused)
  const readiness = await call('GET /readyz')
  expect(JSON.parse(readiness.text)).toMatchObject({
    dependencies: { [shard]: { state: 'behind', detail: expect.stringContaining('refused') } },
  })
  database(shard).migration = newestMigration.shard
  pass(10_000)
  expect(await writeTo(shard, 'acme')).toMatchObject({ kind: 'written' })
})

describe('encryption keys', () => {
  const rotating = `k2:${btoa('a key of exactly 32 bytes, 2nd 1')},${env.ENCRYPTION_KEYS ?? ''}`

  test('are rotated: two are accepted meanwhile, and re-encryption leaves nothing under the old one', async () => {
    const shard = await register({ state: 'draining' })
    const keyOf = async () => (await listed()).find(({ name }) => name === shard)?.['connection']
    expect(await keyOf()).toEqual({ kind: 'encrypted', key: 'k1' })
    const done = await withVars({ ENCRYPTION_KEYS: rotating }, 'POST /admin/v1/shards/re-encrypt')
    expect(await done.json()).toMatchObject({ key: 'k2', changed: expect.arrayContaining([shard]), failed: [] })
    expect(await keyOf()).toEqual({ kind: 'encrypted', key: 'k2' })
    const again = await withVars({ ENCRYPTION_KEYS: rotating }, 'POST /admin/v1/shards/re-encrypt')
    expect(await again.json()).toEqual({ key: 'k2', changed: [], failed: [] })

    const only = rotating.split(',')[0] ?? ''
    const config = loadConfig({ ...env, ENCRYPTION_KEYS: only })
    await openShard(config, env.PLATFORM.getByName('house'), shard, 'read')
    // Back to the first key, for the tests that follow.
    const back = `${env.ENCRYPTION_KEYS ?? ''},${only}`
    const returned = await withVars({ ENCRYPTION_KEYS: back }, 'POST /admin/v1/shards/re-encrypt')
    expect(await returned.json()).toMatchObject({ key: 'k1', failed: [] })
  })

  test('that are missing are named for each shard, and the others are encrypted anew', async () => {
    const shard = await register({ state: 'draining' })
    const other = rotating.split(',')[0] ?? ''
    const done = await withVars({ ENCRYPTION_KEYS: other }, 'POST /admin/v1/shards/re-encrypt')
    expect(await done.json()).toMatchObject({
      failed: expect.arrayContaining([{ name: shard, reason: expect.stringContaining('has no key "k1"') }]),
    })
  })
})

describe('a question that concerns all shards', () => {
  test('is answered by the shards that answer, and names those that are away, behind or slow', async () => {
    const [away, behind, slow] = [await register(), await register(), await register()]
    database(away).isAway = true
    database(slow).isSilent = true
    await env.PLATFORM.getByName('house').noteShardSchema(behind, newestMigration.shard - 1)
    database(behind).migration = newestMigration.shard - 1
    await setState(behind, 'draining')
    vi.spyOn(Deadline.prototype, 'signal', 'get').mockImplementation(() => AbortSignal.timeout(300))
    const answer = await asOperator('GET /admin/v1/users/alice')
    vi.restoreAllMocks()
    expect(answer.body).toMatchObject({
      tenants: [],
      missing: expect.arrayContaining([
        { shard: away, reason: expect.any(String) },
        { shard: behind, reason: expect.stringContaining('migration') },
        { shard: slow, reason: expect.any(String) },
      ]),
    })
    for (const shard of [away, behind, slow]) await setState(shard, 'draining')
  })

  test('merges what they found', async () => {
    database('shard0').rows = rowsOf('acme', 2)
    database('shard1').rows = rowsOf('globex', 3)
    const found = await asOperator('GET /admin/v1/users/alice')
    expect(found.body).toMatchObject({
      tenants: [
        { tenant: 'acme', conversations: 2 },
        { tenant: 'globex', conversations: 2 },
      ],
      next: null,
    })
    const top = await asOperator('GET /admin/v1/top-tenants?by=messages&limit=1&from=2026-11-01&to=2026-11-30')
    expect(top.body).toMatchObject({ tenants: [{ tenant: 'globex', total: 3 }], next: '3/globex' })
    const counts = await asOperator('GET /admin/v1/shards/counts')
    expect(counts.body).toMatchObject({ total: { tenants: 5 } })
    const wrong = await asOperator('GET /admin/v1/top-tenants?cursor=wrong')
    expect([wrong.status, wrong.body.detail]).toEqual([400, expect.stringContaining('cursor')])
  })
})

/** A shard with one tenant, whose figure is `total`. */
const rowsOf =
  (tenant: string, total: number) =>
  ({ query }: Statement) => {
    if (query.includes('pg_database_size'))
      return [{ tenants: total, bytes: 1, conversations: 0, messages: 0, archivedPages: 0 }]
    if (query.includes('FROM placements')) return [{ tenant_id: tenant }]
    if (query.includes('FROM members')) return [{ tenant, conversations: 2 }]
    return query.includes('FROM usage') ? [{ tenant, total }] : []
  }

describe('a jurisdiction', () => {
  test('is not available on workerd, and says so', async () => {
    const answer = await asOperator(`PUT /admin/v1/tenants/t${crypto.randomUUID()}.eu`, { name: 'Europe' })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining('"eu" is not available')])
  })

  test('is set when a tenant is created, as the end of its id, and cannot be changed', async () => {
    const { id } = await tenantIn('weur')
    const later = await asOperator(`PUT /admin/v1/tenants/${id}`, { name: 'Europe', jurisdiction: 'eu' })
    expect([later.status, later.body.detail]).toEqual([400, expect.stringContaining(`/admin/v1/tenants/${id}.eu`)])
    const other = await asOperator(`PUT /admin/v1/tenants/${id}.eu`, { name: 'Europe', jurisdiction: 'us' })
    expect([other.status, other.body.detail]).toEqual([400, expect.stringContaining('cannot change')])
  })

  test('confines every actor of the tenant and the writers of its shard, where the platform has jurisdictions', () => {
    const opened: string[] = []
    const platform = withJurisdictions(opened)
    for (const tenant of ['acme', 'acme.eu']) {
      tenantOf(platform, tenant)
      conversationOf(platform, tenant, 'c1')
      jobQueueOf(platform, tenant, 'default')
      shardWriterOf(platform, 'shard9', tenant, 'c1')
    }
    noteRegion('acme', 'weur')
    conversationOf(platform, 'acme', 'c2')
    noteRegion('acme', undefined)
    expect(opened).toEqual([
      'acme',
      'acme/c1',
      'acme/default',
      expect.stringMatching(/^shard9\/\d$/),
      'eu: acme.eu',
      'eu: acme.eu/c1',
      'eu: acme.eu/default',
      expect.stringMatching(/^eu: shard9\/\d$/),
      'acme/c2 in weur',
    ])
  })
})

/** Namespaces that note which actor was asked for, in which jurisdiction and region. */
function withJurisdictions(opened: string[]): Env {
  const namespace = (within: string): object => ({
    jurisdiction: (name: string) => namespace(`${name}: `),
    getByName: (name: string, hint?: { readonly locationHint: string }) =>
      void opened.push(`${within}${name}${hint === undefined ? '' : ` in ${hint.locationHint}`}`),
  })
  return Object.assign(
    { ...env },
    Object.fromEntries(
      ['TENANT', 'CONVERSATION', 'JOB_QUEUE', 'SHARD_WRITER'].map((binding) => [binding, namespace('')] as const),
    ),
  )
}

/** A request to a Worker with other variables. */
async function withVars(vars: object, line: string, body?: object): Promise<Response> {
  const [method = '', path = ''] = line.split(' ')
  const request = new Request(`http://parley${path}`, {
    method,
    headers: { authorization: `Bearer ${operatorKey}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return await app.fetch(request, Object.assign({ ...env }, vars), createExecutionContext())
}

/** One row of a conversation, written by the shard's own writer. */
const writeTo = (shard: string, tenant: string) =>
  shardWriterOf(env, shard, tenant, crypto.randomUUID()).write({
    tenant,
    placementEpoch: 1,
    conversation: 'lunch',
    epoch: 'e',
    rows: [{ seq: 1, at: 1, user: 'alice', client: 'c', clientId: '1', data: '{}' }],
    scrubbed: [],
  })

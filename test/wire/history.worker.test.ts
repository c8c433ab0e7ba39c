import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { tenantOf } from '../../durable-objects/address.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { forgetDependencies } from '../../src/adapters/dependency.ts'
import { postgresHangs, postgresIsAway, postgresIsThere } from '../support/worker/shards.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { commandBy } from '../support/conversation-command.ts'
import { newTenant, operatorKey, type TestTenant } from '../support/worker/tenant.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** Bob has said `count` things to Alice, who is connected and asks for what was. */
async function story(count: number) {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'bob', count)
  const alice = await connectAs(tenant, 'alice')
  const channel = `conversation:${lunch}`
  const ask = async (query: object) => await alice.line.ask({ history: { channel, ...query } })
  const seqs = async (query: object) => (await ask(query)).history!.publications.map(({ offset }) => offset)
  return { tenant, lunch, alice, ask, seqs }
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, n) => first + n)

describe('history', () => {
  test('without a limit gives only the position of the stream', async () => {
    const { ask } = await story(3)
    expect((await ask({})).history).toEqual({ publications: [], epoch: expect.any(String), offset: 3 })
  })

  test('goes forward after a place and backward before one', async () => {
    const { seqs } = await story(10)
    expect(await seqs({ limit: 3 })).toEqual([1, 2, 3])
    expect(await seqs({ limit: 3, since: { offset: 4 } })).toEqual([5, 6, 7])
    expect(await seqs({ limit: 3, since: { offset: 9 } })).toEqual([10])
    expect(await seqs({ limit: 3, reverse: true })).toEqual([10, 9, 8])
    expect(await seqs({ limit: 3, since: { offset: 4 }, reverse: true })).toEqual([3, 2, 1])
    expect(await seqs({ limit: 3, since: { offset: 2 }, reverse: true })).toEqual([1])
    expect(await seqs({ limit: 3, since: { offset: 99 } })).toEqual([])
    expect(await seqs({ limit: 3, since: { offset: 99 }, reverse: true })).toEqual([10, 9, 8])
  })

  test('brings at most 300 at once, also when asked for all', async () => {
    const { seqs } = await story(310)
    expect(await seqs({ limit: -1 })).toEqual(upTo(300))
    expect(await seqs({ limit: 1000, reverse: true })).toEqual(upTo(310, 11).toReversed())
  })

  test('of another epoch cannot be found, backward from nowhere is a bad request', async () => {
    const { ask } = await story(1)
    expect(await ask({ limit: 1, since: { offset: 0, epoch: 'other' } })).toMatchObject({ error: { code: 112 } })
    expect(await ask({ limit: 1, since: { offset: 0 }, reverse: true })).toMatchObject({ error: { code: 107 } })
  })

  test('is for those who may read', async () => {
    const { tenant, lunch } = await story(1)
    const mallory = await connectAs(tenant, 'mallory')
    const ask = (channel: string) => mallory.line.ask({ history: { channel, limit: 1 } })
    expect(await ask(`conversation:${lunch}`)).toMatchObject({ error: { code: 103 } })
    expect(await ask('conversation:never')).toMatchObject({ error: { code: 103 } })
    expect(await ask('user:#mallory')).toMatchObject({ error: { code: 108 } })
    expect(await ask('news:1')).toMatchObject({ error: { code: 102 } })
  })
})

/** As after a long time: the actor holds only what came after `floor`, Postgres has the rest. */
async function forgetUpTo(tenant: TestTenant, conversation: string, floor: number) {
  const rows = await runInDurableObject(tenant.actorOf(conversation), (_, { storage }) => {
    const held = storage.sql.exec('SELECT seq, user, client, data FROM messages WHERE seq <= ?', floor).toArray()
    storage.sql.exec('UPDATE messages SET data = NULL WHERE seq <= ?', floor)
    storage.sql.exec("INSERT INTO facts VALUES ('floor', ?), ('projected', ?)", floor, floor)
    return held
  })
  await putToSleep(tenant.actorOf(conversation))
  return rows.map((row) => ({
    seq: Number(row['seq']),
    user_id: String(row['user']),
    client: String(row['client']),
    body: String(row['data']),
  }))
}

/** A page as Postgres puts it together. */
const pageOf = (rows: Awaited<ReturnType<typeof forgetUpTo>>) => [
  {
    placed: 1,
    page: rows
      .map(({ seq, user_id, client, body }) => [seq, JSON.stringify(user_id), JSON.stringify(client), body].join('\t'))
      .join('\n'),
  },
]

describe('history that only Postgres still has', () => {
  // A test in which Postgres is away may have opened the breaker of a shard.
  beforeEach(forgetDependencies)

  test('is read at the same offsets, however old, in both directions and across the border', async () => {
    const { tenant, lunch, seqs } = await story(12)
    const rows = await forgetUpTo(tenant, lunch, 8)
    postgresIsThere(({ params }) =>
      pageOf(rows.filter(({ seq }) => seq >= Number(params[3]) && seq <= Number(params[4]))),
    )
    expect(await seqs({ limit: 300 })).toEqual(upTo(12))
    expect(await seqs({ limit: 6, reverse: true })).toEqual(upTo(12, 7).toReversed())
    expect(await seqs({ limit: 4, since: { offset: 6 } })).toEqual([7, 8, 9, 10])
    expect(await seqs({ limit: 3, since: { offset: 3 }, reverse: true })).toEqual([2, 1])
  })

  test('is worth trying again for while Postgres is away; what the actor holds is there', async () => {
    const { tenant, lunch, ask, seqs } = await story(12)
    await forgetUpTo(tenant, lunch, 8)
    postgresIsAway()
    expect(await ask({ limit: 12 })).toMatchObject({ error: { code: 100, temporary: true } })
    expect(await seqs({ limit: 4, reverse: true })).toEqual([12, 11, 10, 9])
  })

  test('shows no words of a message deleted since, although Postgres does not know yet', async () => {
    const { tenant, lunch, ask, alice } = await story(4)
    const bob = await connectAs(tenant, 'bob')
    const rows = await forgetUpTo(tenant, lunch, 4)
    await bob.rpc('message.delete', { conversation: lunch, seq: 2 })
    postgresIsThere(() => pageOf(rows))
    const { history } = await ask({ limit: 10 })
    expect(history!.publications.map(({ data }) => data['text'])).toEqual([
      'message 1',
      undefined,
      'message 3',
      'message 4',
      undefined,
    ])
    expect(history!.publications[1]!.data).toMatchObject({ type: 'message', deleted: true })
    expect(alice.user).toBe('alice')
  })

  test('cannot be recovered by a subscription: the client is answered so and pages through history', async () => {
    const { tenant, lunch, alice } = await story(12)
    await forgetUpTo(tenant, lunch, 8)
    const { subscribe } = await alice.recover(lunch, { offset: 7 })
    expect(subscribe).toMatchObject({ was_recovering: true, offset: 12 })
    expect(subscribe).not.toHaveProperty('recovered')
    await alice.line.ask({ unsubscribe: { channel: `conversation:${lunch}` } })
    expect((await alice.recover(lunch, { offset: 8 })).subscribe).toMatchObject({ recovered: true })
  })

  test('is never left out of what a gateway is brought up to date with: it is notified that it is behind', async () => {
    const { tenant, lunch } = await story(12)
    await forgetUpTo(tenant, lunch, 8)
    const commands = [commandBy('conversation.typing', { user: 'bob' })]
    const answer = await tenant.actorOf(lunch).execute({ gateway: 'somewhere/0', have: 5, commands })
    expect(answer.behind).toBe(true)
    const upToDate = await tenant.actorOf(lunch).execute({ gateway: 'somewhere/0', have: 8, commands })
    expect(upToDate.behind).toBe(false)
    expect(upToDate.update.publications.map(({ offset }) => offset)).toEqual([9, 10, 11, 12])
  })

  // The last test, since the breakers of the databases are open afterwards.
  test('that Postgres does not answer in time ends the request with the name of the shard', async () => {
    const { tenant, lunch, ask } = await story(12)
    await forgetUpTo(tenant, lunch, 8)
    const shard = (await tenantOf(env, tenant.id).placement())!.shard
    postgresHangs()
    const path = `/v1/conversations/${lunch}/messages?limit=12`
    expect(await call(`GET ${path}`, { as: tenant.key })).toMatchObject({
      status: 503,
      body: { type: '/docs/errors#unavailable', dependency: shard, retryAfterMs: expect.any(Number) },
    })
    expect((await ask({ limit: 12 })).error).toMatchObject({
      code: 100,
      message: `internal server error: ${shard} does not answer; try again`,
    })
    expect(await call('GET /v1/usage', { as: tenant.key })).toMatchObject({ status: 503, body: { dependency: shard } })
    expect(await call('GET /admin/v1/tenants', { as: operatorKey })).toMatchObject({
      status: 503,
      body: { dependency: 'directory' },
    })
    expect(await call('POST /admin/v1/cron/partitions', { as: operatorKey })).toMatchObject({
      status: 503,
      body: { dependency: expect.stringMatching(/^shard\d$/) },
    })
  })
})

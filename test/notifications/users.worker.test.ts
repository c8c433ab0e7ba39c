import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { recipientsOf } from '../../durable-objects/address.ts'
import { FeedTable } from '../../durable-objects/recipients/sql-feed.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const pageOfIds = z.object({ users: z.array(z.object({ id: z.string() })), next: z.string().nullable() })

const put = (tenant: TestTenant, user: string, body: object) => call(`PUT /v1/users/${user}`, { as: tenant.key, body })

describe('profiles', () => {
  test('are made, changed and read by the tenant’s server', async () => {
    const tenant = await newTenant()
    expect((await put(tenant, 'ada', { name: 'Ada', email: 'ada@example.com' })).status).toBe(201)
    expect((await put(tenant, 'ada', { name: 'Ada L.', properties: { plan: 'pro' } })).status).toBe(200)
    const changed = await call('PATCH /v1/users/ada', { as: tenant.key, body: { zone: 'Europe/Berlin' } })
    expect(changed.body).toMatchObject({
      id: 'ada',
      name: 'Ada L.',
      zone: 'Europe/Berlin',
      properties: { plan: 'pro' },
    })
    expect(changed.body).not.toHaveProperty('email')
    expect((await call('GET /v1/users/ada', { as: tenant.key })).body).toEqual(changed.body)
    expect((await call('GET /v1/users/bob', { as: tenant.key })).status).toBe(404)
    expect((await call('PATCH /v1/users/bob', { as: tenant.key, body: {} })).status).toBe(404)
  })

  test('show names and avatars to other users, and nothing else', async () => {
    const tenant = await newTenant()
    succeeded(
      await put(tenant, 'ada', { name: 'Ada', email: 'ada@example.com', phone: '+4930123456', properties: { a: 1 } }),
    )
    const bob = await tenant.token('bob')
    const { body } = await call('GET /v1/users?ids=ada,bob', { as: bob })
    expect(body).toEqual({ users: [{ id: 'ada', name: 'Ada' }], next: null })
    expect((await call('GET /v1/users/ada', { as: bob })).status).toBe(403)
    expect((await call('GET /v1/users', { as: bob })).body.detail).toContain('ids: a user token must give')
    expect((await call('PUT /v1/users/bob', { as: bob, body: {} })).status).toBe(403)
    expect((await call('GET /v1/users/ada', { as: await tenant.token('ada') })).body).toMatchObject({
      email: 'ada@example.com',
    })
  })

  test('of a bulk request are stored where they are good, and listed with the reason where they are not', async () => {
    const tenant = await newTenant()
    const users = [
      ...Array.from({ length: 40 }, (_, n) => ({ id: `u${n}`, name: `User ${n}` })),
      { id: 'bad', email: 'nowhere' },
      { name: 'without id' },
      7,
    ]
    const { body } = await call('POST /v1/users', { as: tenant.key, body: { users } })
    expect(body).toEqual({
      stored: 40,
      refused: [
        { index: 40, id: 'bad', reason: expect.stringContaining('email: not an e-mail address') },
        { index: 41, id: null, reason: expect.stringContaining('id') },
        { index: 42, id: null, reason: expect.any(String) },
      ],
    })
    const ids: string[] = []
    for (let next: string | null = ''; next !== null;) {
      const page = await call(`GET /v1/users?limit=7${next === '' ? '' : `&cursor=${encodeURIComponent(next)}`}`, {
        as: tenant.key,
      })
      const found = pageOfIds.parse(succeeded(page))
      ids.push(...found.users.map(({ id }) => id))
      next = found.next
    }
    expect(new Set(ids)).toEqual(new Set(Array.from({ length: 40 }, (_, n) => `u${n}`)))
    expect(ids).toHaveLength(40)
  })

  test('of one tenant are unknown to another', async () => {
    const [one, other] = [await newTenant(), await newTenant()]
    succeeded(await put(one, 'ada', { name: 'Ada' }))
    expect((await call('GET /v1/users?ids=ada', { as: other.key })).body).toEqual({ users: [], next: null })
  })

  test('have targets that the user registers for themselves, but no address that the tenant’s Workers would post to', async () => {
    const tenant = await newTenant()
    const ada = await tenant.token('ada')
    const target = { type: 'fcm', address: { token: 'abc' } }
    expect((await call('PUT /v1/users/ada/targets/phone', { as: ada, body: target })).status).toBe(200)
    expect((await call('PUT /v1/users/bob/targets/phone', { as: ada, body: target })).status).toBe(403)
    const hook = { type: 'webhook', address: { url: 'https://example.com/hook' } }
    expect((await call('PUT /v1/users/ada/targets/hook', { as: ada, body: hook })).status).toBe(403)
    expect((await call('GET /v1/users/ada', { as: ada })).body).toMatchObject({
      targets: [{ id: 'phone', channel: 'push', ...target }],
    })
    expect((await call('DELETE /v1/users/ada/targets/phone', { as: ada })).status).toBe(204)
    expect((await call('GET /v1/users/ada', { as: ada })).body).toMatchObject({ targets: [] })
  })
})

/** Puts items into a feed, as runs do. */
async function addItems(tenant: TestTenant, user: string, count: number): Promise<void> {
  succeeded(await put(tenant, user, {}))
  await runInDurableObject(recipientsOf(env, tenant.id, user), (_, { storage }) => {
    const feeds = new FeedTable(storage.sql)
    for (let n = 1; n <= count; n++)
      feeds.add(user, 'default', { notification: `n${n}`, workflow: 'w', body: `Text ${n}` }, n, {
        maxAgeMs: 1e13,
        maxItems: 1000,
      })
    feeds.flush()
  })
}

describe('a feed', () => {
  test('is read by its user and by the tenant’s server, and by no other user', async () => {
    const tenant = await newTenant()
    await addItems(tenant, 'ada', 3)
    const ada = await tenant.token('ada')
    const own = await call('GET /v1/feed?limit=2', { as: ada })
    expect(own.body).toMatchObject({
      items: [{ id: 'default:3', body: 'Text 3', readAt: null }, { id: 'default:2' }],
      counts: { total: 3, unseen: 3, unread: 3 },
      next: '2',
    })
    expect((await call('GET /v1/feed?user=ada&limit=2', { as: tenant.key })).body).toEqual(own.body)
    expect((await call('GET /v1/feed?user=ada', { as: await tenant.token('bob') })).status).toBe(403)
    expect((await call('GET /v1/feed', { as: tenant.key })).body.detail).toContain('user: an API key must name')
    expect((await call('GET /v1/feed', { as: await tenant.token('bob') })).body).toMatchObject({
      items: [],
      next: null,
    })
  })

  test('is marked by its user, whose other connections receive the counts', async () => {
    const tenant = await newTenant()
    await addItems(tenant, 'ada', 3)
    const ada = await tenant.token('ada')
    const phone = await connectAs(tenant, 'ada')
    const marked = await call('POST /v1/feed/marks', { as: ada, body: { mark: 'read', items: ['default:2'] } })
    const counts = { total: 3, unseen: 2, unread: 2, archived: 0, pinned: 0 }
    expect(marked.body).toEqual({ feed: 'default', marked: ['default:2'], counts })
    const { data } = await phone.inboxSays('feed')
    expect(data).toMatchObject({ feed: 'default', counts, mark: 'read', items: ['default:2'] })
    const all = await call('POST /v1/feed/marks', { as: ada, body: { mark: 'seen', all: true, upTo: 'default:2' } })
    expect(all.body).toMatchObject({ marked: ['default:1'], counts: { unseen: 1, unread: 2 } })
    expect((await call('GET /v1/feed/counts', { as: ada })).body).toMatchObject({ feeds: { default: { unseen: 1 } } })
  })

  test('refuses marks that say too much or too little', async () => {
    const tenant = await newTenant()
    const ada = await tenant.token('ada')
    const detail = async (body: object) => (await call('POST /v1/feed/marks', { as: ada, body })).body.detail
    expect(await detail({ mark: 'liked', all: true })).toContain('mark: must be one of')
    expect(await detail({ mark: 'read' })).toContain('give either items or all')
    expect(await detail({ mark: 'read', items: ['a:1', 'b:1'] })).toContain('items: of one feed')
    expect(await detail({ mark: 'read', items: ['7'] })).toContain('not the id of an item')
  })

  test('loses items that are older than notifications are kept, also when no new one comes', async () => {
    const tenant = await newTenant()
    await addItems(tenant, 'ada', 3)
    const recipients = recipientsOf(env, tenant.id, 'ada')
    await runInDurableObject(recipients, async (_, { storage }) => {
      await storage.deleteAlarm()
      await storage.setAlarm(Date.now() + 1e8)
    })
    expect(await runDurableObjectAlarm(recipients)).toBe(true)
    expect((await call('GET /v1/feed?user=ada', { as: tenant.key })).body).toMatchObject({
      items: [],
      counts: { total: 0, unseen: 0, unread: 0 },
    })
  })
})

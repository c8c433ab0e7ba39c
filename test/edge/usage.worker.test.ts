import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { dayOf } from '../../src/kernel/day.ts'
import { actorSizes } from '../../src/protocol/usage-api.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { postgresIsThere, type Statement } from '../support/worker/shards.ts'
import { newTenant, operatorKey, succeeded } from '../support/worker/tenant.ts'

beforeAll(() => stopClock())
afterAll(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const callsOf = async (id: string) => (await env.TENANT.getByName(id).callsByDay())[dayOf(Date.now())]

test('requests of a tenant are counted in memory and reported together after a minute', async () => {
  postgresIsThere()
  const tenant = await newTenant()
  for (let n = 0; n < 5; n++) succeeded(await call('GET /v1/settings', { as: tenant.key }))
  await call('GET /v1/settings', { as: 'parley_wrong' })
  expect(await callsOf(tenant.id)).toBeUndefined()
  pass(61_000)
  succeeded(await call('GET /v1/settings', { as: tenant.key }))
  await expect.poll(async () => await callsOf(tenant.id)).toEqual({ requests: 6, commands: 0 })
})

test('commands of connections are counted by their gateway and reported together with its pings', async () => {
  postgresIsThere()
  const tenant = await newTenant()
  const name = `usage-${crypto.randomUUID()}/0`
  const line = await Line.open(name)
  line.answersPings = true
  await line.ask({ connect: { token: await tenant.token('alice') } })
  for (let n = 0; n < 4; n++) await line.ask({ rpc: { method: 'inbox.list', data: {} } })
  for (const ms of [1000, 61_000]) {
    pass(ms)
    await runDurableObjectAlarm(env.GATEWAY.getByName(name))
  }
  await expect.poll(async () => (await callsOf(tenant.id))?.commands).toBe(4)
})

test('the operator and the tenant read the same days, page by page', async () => {
  const days = [1, 2, 3].map((n) => ({
    day: `2026-11-0${n}`,
    messages: n,
    jobs: 0,
    connections_peak: 0,
    requests: 10 * n,
    commands: 0,
    message_bytes: 100 * n,
  }))
  postgresIsThere(({ query, params }: Statement) => {
    if (query.includes('sum(messages)')) return [{ messages: 6, bytes: 600 }]
    if (!query.includes('connections_peak')) return []
    return days.filter(({ day }) => day >= (params[1] ?? '')).slice(0, Number(params[3]))
  })
  const tenant = await newTenant()
  const first = await call('GET /v1/usage?from=2026-11-01&to=2026-11-30&limit=2', { as: tenant.key })
  expect(first.body).toMatchObject({
    days: [{ day: '2026-11-01', requests: 10, messageBytes: 100 }, { day: '2026-11-02' }],
    next: '2026-11-03',
    stored: { messages: 6, bytes: 600 },
  })
  const path = `GET /admin/v1/tenants/${tenant.id}/usage?from=2026-11-03&to=2026-11-30&limit=2`
  expect((await call(path, { as: operatorKey })).body).toMatchObject({ days: [{ day: '2026-11-03' }], next: null })
  const unknown = await call('GET /admin/v1/tenants/unused-id/usage', { as: operatorKey })
  expect(unknown.status).toBe(404)
})

test('the operator reads what the actors of a tenant store, class by class and page by page', async () => {
  const groups: string[] = []
  // The shard that is asked first has the rows.
  const named = new Map([
    ['DISTINCT conversation_id', () => groups],
    ['DISTINCT user_id', () => ['alice', 'bob']],
  ])
  postgresIsThere(({ query }: Statement) => {
    const [asked, names] = [...named].find(([words]) => query.includes(words)) ?? []
    if (asked !== undefined) named.delete(asked)
    return names?.().map((name) => ({ name })) ?? []
  })
  const tenant = await newTenant()
  groups.push(await tenant.group('alice', 'bob'))
  await tenant.postMany(groups[0] ?? '', 'alice', 3)
  const path = `GET /admin/v1/tenants/${tenant.id}/storage`
  const sizes = new Map<string, { actors: number; bytes: number }>()
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = cursor === '' ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const page = actorSizes.parse(succeeded(await call(path + query, { as: operatorKey })))
    for (const { class: name, ...size } of page.actors) {
      const known = sizes.get(name) ?? { actors: 0, bytes: 0 }
      sizes.set(name, { actors: known.actors + size.actors, bytes: known.bytes + size.bytes })
    }
    cursor = page.next
  }
  expect(sizes.get('Conversation')).toEqual({ actors: 1, bytes: expect.toSatisfy((bytes: number) => bytes >= 8192) })
  expect(sizes.get('Inbox')).toMatchObject({ actors: 2 })
  expect(sizes.get('Tenant')).toMatchObject({ actors: 1 })
  expect(sizes.get('Tenant')?.bytes).toBeGreaterThan(0)
  const wrong = await call(`${path}?cursor=x`, { as: operatorKey })
  expect([wrong.status, wrong.body.detail]).toEqual([400, 'cursor: give `next` of the page before'])
  expect((await call('GET /admin/v1/tenants/unused-id/storage', { as: operatorKey })).status).toBe(404)
})

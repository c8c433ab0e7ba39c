import { env } from 'cloudflare:workers'
import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { beforeAll, expect, test } from 'vitest'
import { newApiKey } from '../../src/auth/api-key.ts'
import { uuidv7 } from '../../src/kernel/id.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

// Names that nothing stands for wake no actor: one that was woken once leaves a file behind.

beforeAll(async () => {
  // The tenants of earlier versions are read with the first question.
  await eventually('the directory is read', async () => {
    const standing = await env.PLATFORM.getByName('house').standingOfTenant('nobody')
    return standing === 'unknown' ? true : undefined
  })
})

const madeOf = async (namespace: DurableObjectNamespace, names: readonly string[]) => {
  const ids = new Set((await listDurableObjectIds(namespace)).map(String))
  return names.filter((name) => ids.has(String(namespace.idFromName(name))))
}

test('keys and tokens that name invented tenants make no tenant', async () => {
  const names = Array.from({ length: 10 }, (_, n) => `invented-${n}-${crypto.randomUUID().slice(0, 8)}`)
  for (const name of names) {
    expect((await call('GET /v1/conversations', { as: newApiKey(name) })).status).toBe(401)
    const claims = btoa(JSON.stringify({ sub: 'alice', tenant: name, iss: name, aud: name }))
    expect((await call('GET /v1/conversations', { as: `eyJhbGciOiJIUzI1NiJ9.${claims}.x` })).status).toBe(401)
  }
  expect(await madeOf(env.TENANT, names)).toEqual([])
})

test('ids of conversations that were never given out wake no conversation and no limiter, over HTTP, the socket and the server API', async () => {
  const tenant = await newTenant({ messagesPerSecondConversation: 100 })
  const alice = await connectAs(tenant, 'alice')
  const as = await tenant.token('alice')
  await tenant.post(await tenant.group('alice'), 'alice', 'so that the tenant has limiters')
  const ids = Array.from({ length: 3 }, () => uuidv7(Date.now()))
  for (const id of ids) {
    const channel = `conversation:${id}`
    const message = { conversation: id, clientId: 'a', text: 'x' }
    expect(await alice.line.ask({ subscribe: { channel } })).toMatchObject({ error: { code: 103 } })
    expect(await alice.line.ask({ history: { channel, limit: 1 } })).toMatchObject({ error: { code: 103 } })
    expect(await alice.line.ask({ presence: { channel } })).toMatchObject({ error: { code: 103 } })
    expect(await alice.line.ask({ publish: { channel, data: { clientId: 'a', text: 'x' } } })).toHaveProperty('error')
    expect(await alice.rpc('message.send', message)).toMatchObject({ error: { code: 404 } })
    expect(await alice.rpc('message.send', { ...message, deliverAt: Date.now() + 60_000 })).toHaveProperty('error')
    expect(await alice.rpc('conversation.join', { conversation: id })).toMatchObject({ error: { code: 404 } })
    expect(await alice.rpc('conversation.typing', { conversation: id })).toHaveProperty('error')
    const path = `/v1/conversations/${id}`
    expect((await call(`GET ${path}`, { as })).status).toBe(404)
    expect((await call(`GET ${path}/messages`, { as })).status).toBe(404)
    expect((await call(`GET ${path}/members`, { as })).status).toBe(404)
    expect((await call(`POST ${path}/messages`, { as, body: { clientId: 'a', text: 'x' } })).status).toBe(404)
    expect((await call(`POST ${path}/members`, { as, body: { members: ['bob'] } })).status).toBe(404)
    expect((await call(`DELETE ${path}`, { as })).status).toBe(404)
    expect((await call('POST /api/history', { as: tenant.key, body: { channel } })).body).toHaveProperty('error')
    expect((await call('POST /api/presence', { as: tenant.key, body: { channel } })).body).toHaveProperty('error')
  }
  const names = ids.map((id) => `${tenant.id}/${id}`)
  expect(await madeOf(env.CONVERSATION, names)).toEqual([])
  const limiters = ids.map((id) => `${tenant.id}/messages-conversation:conversation:${id}`)
  expect(await madeOf(env.RATE_LIMITER, limiters)).toEqual([])
})

test('a conversation whose id the tenant chose is found like any other', async () => {
  const tenant = await newTenant()
  const id = uuidv7(Date.now())
  const alice = await connectAs(tenant, 'alice')
  const body = { id, type: 'group', members: ['alice'] }
  expect(await alice.line.ask({ subscribe: { channel: `conversation:${id}` } })).toMatchObject({ error: { code: 103 } })
  succeeded(await call('POST /v1/conversations', { as: tenant.key, body }))
  await alice.subscribe(id)
  expect((await call(`GET /v1/conversations/${id}`, { as: await tenant.token('alice') })).body).toMatchObject({ id })
})

test('a tenant of an earlier version keeps its ids: any id is looked up', async () => {
  const tenant = await newTenant()
  await runInDurableObject(
    env.TENANT.getByName(tenant.id),
    (_, { storage }) => void storage.kv.delete('conversationIdSecret'),
  )
  const id = uuidv7(Date.now())
  const wanted = { tenant: tenant.id, id, type: 'group', name: 'Old', members: ['alice'], createdBy: 'alice' } as const
  await tenant.actorOf(id).create(wanted)
  expect((await call(`GET /v1/conversations/${id}`, { as: await tenant.token('alice') })).body).toMatchObject({ id })
})

test('a subscription to a job of an invented queue wakes no queue, and one of a new queue is found', async () => {
  const tenant = await newTenant()
  const alice = await connectAs(tenant, 'alice')
  const queues = Array.from({ length: 3 }, (_, n) => `invented-${n}`)
  for (const queue of queues)
    expect(await alice.line.ask({ subscribe: { channel: `jobs:${queue}:x` } })).toMatchObject({ error: { code: 103 } })
  expect(
    await madeOf(
      env.JOB_QUEUE,
      queues.map((queue) => `${tenant.id}/${queue}`),
    ),
  ).toEqual([])

  const job = { queue: 'invented-0', type: 'join', watchers: ['alice'], runAt: Date.now() + 3_600_000 }
  const { id } = succeeded(await call('POST /v1/jobs', { as: tenant.key, body: job }))
  expect(await alice.line.ask({ subscribe: { channel: `jobs:invented-0:${id}` } })).toHaveProperty('subscribe')
})

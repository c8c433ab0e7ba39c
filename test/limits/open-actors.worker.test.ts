import { env } from 'cloudflare:workers'
import { createExecutionContext, listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { callOpen } from '../../durable-objects/gateway/channels/other-streams.ts'
import { callConversation, callTopic } from '../../durable-objects/open-actors.ts'
import { app } from '../../src/edge/http/app.ts'
import { answer as runMethod } from '../../src/edge/server-api/commands.ts'
import { budgetOf, openActors, TooManyActors } from '../../src/limits/open-actors.ts'
import { uuidv7 } from '../../src/kernel/id.ts'
import { GivenJson } from '../../src/protocol/given-json.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { lively, namespace } from '../support/worker/topics.ts'

// A process bounds its open actors, whatever callers paid for.

const most = 100
const bounded = { ...env, MAX_OPEN_ACTORS: String(most) }
/** What one tenant may open under new names when it is alone. */
const share = Math.ceil(budgetOf(most).forCallers / 2)

// Those of the test before are closed by then.
let now = Date.now()
beforeEach(() => {
  now += 60_000
  vi.useFakeTimers({ toFake: ['Date'], now })
})
afterEach(() => void vi.useRealTimers())
const reply = z.object({
  result: z.object({
    responses: z.array(z.object({ error: z.object({ code: z.number(), detail: z.string() }).optional() })),
  }),
})

const checkResults = z.object({
  results: z.array(
    z.object({
      allowed: z.boolean(),
      remaining: z.number(),
      retryAfterMs: z.number(),
      error: z.string().optional(),
    }),
  ),
})

async function broadcast(tenant: string, channels: readonly string[]) {
  const body = { channels, data: 1 }
  const given = new GivenJson(body, JSON.stringify(body))
  const said = await runMethod(bounded, { kind: 'server', tenant, keyId: 'test' }, 'broadcast', given)
  return reply.parse(JSON.parse(said)).result.responses
}

test('a broadcast to more new topics than the process may open makes some, refuses the others with a wait, and leaves places', async () => {
  const [mallory, acme] = [await newTenant(), await newTenant()]
  for (const tenant of [mallory, acme]) await namespace(tenant, 'news', lively)
  const channels = Array.from({ length: 300 }, (_, n) => `news:${n}`)
  const answers = await broadcast(mallory.id, channels)
  const refused = answers.flatMap(({ error }) => (error === undefined ? [] : [error]))
  const ids = new Set((await listDurableObjectIds(env.TOPIC)).map(String))
  const made = channels.filter((channel) => ids.has(String(env.TOPIC.idFromName(`${mallory.id}/${channel}`))))
  expect(made.length).toBe(channels.length - refused.length)
  expect(made.length).toBeLessThanOrEqual(share)
  expect(refused[0]).toMatchObject({ code: 111, detail: expect.stringMatching(/^actors: wait \d+ ms$/) })
  // Topics that are open are not refused, and neither are others' first ones.
  expect(await broadcast(mallory.id, made.slice(0, 3))).toEqual(
    [{}, {}, {}].map(() => expect.not.objectContaining({ error: expect.anything() })),
  )
  const [first] = await broadcast(acme.id, ['news:1'])
  expect(first?.error).toBeUndefined()
})

test('ten thousand new topics in one request stay within the same bound', async () => {
  const tenant = await newTenant()
  await namespace(tenant, 'all', lively)
  const channels = (k: number) => Array.from({ length: 1000 }, (_, n) => `all:${k}-${n}`)
  const commands = Array.from({ length: 10 }, (_, k) => ({ broadcast: { channels: channels(k), data: 1 } }))
  const body = { parallel: true, commands }
  const given = new GivenJson(body, JSON.stringify(body))
  const said = await runMethod(bounded, { kind: 'server', tenant: tenant.id, keyId: 'test' }, 'batch', given)
  const ids = new Set((await listDurableObjectIds(env.TOPIC)).map(String))
  const all = commands.flatMap((_, k) => channels(k))
  const made = all.filter((channel) => ids.has(String(env.TOPIC.idFromName(`${tenant.id}/${channel}`))))
  expect(made.length).toBeLessThanOrEqual(share)
  expect(said.split('"code":111').length - 1).toBe(all.length - made.length)
})

/** Opens actors of the tenant until it has its share of those that it is known to have. */
function fillUp(tenant: string): void {
  openActors.bound(most)
  for (let n = 0; n < most; n++)
    openActors.admit({ kind: 'conversation', tenant, name: `c${n}`, isKnown: true }, Date.now())
}

const post = async (as: string, path: string, body: unknown): Promise<Response> =>
  await app.fetch(
    new Request(`https://parley.test${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${as}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    }),
    bounded,
    createExecutionContext(),
  )

test('a refused opening of one check is answered for that check, and the other checks of the batch are decided', async () => {
  const tenant = await newTenant()
  const policy = { algorithm: 'token-bucket', limit: 5, windowSeconds: 60 }
  expect(await call('PUT /v1/limits/policies/logins', { as: tenant.key, body: policy })).toMatchObject({ status: 200 })
  const checks = Array.from({ length: 100 }, (_, n) => ({ policy: 'logins', key: `k${n}` }))
  const answered = await post(tenant.key, '/v1/limits/check-batch', { checks })
  expect(answered.status).toBe(200)
  const { results } = checkResults.parse(await answered.json())
  const decided = results.filter(({ error }) => error === undefined)
  expect(results).toHaveLength(100)
  expect(decided.length).toBeGreaterThan(10)
  expect(decided.length).toBeLessThanOrEqual(share)
  expect(decided.every(({ allowed, remaining }) => allowed && remaining === 4)).toBe(true)
  const refused = results.filter(({ error }) => error !== undefined)
  expect(refused.length).toBeGreaterThan(0)
  for (const each of refused) expect(each).toMatchObject({ allowed: false, error: 'too-many-requests' })
  expect(refused[0]?.retryAfterMs).toBeGreaterThan(0)

  // The same single check, and all checks as one decision, have no answer to put it in.
  const single = await post(tenant.key, '/v1/limits/check', { policy: 'logins', key: 'other' })
  expect(single.status).toBe(429)
  expect(single.headers.get('retry-after')).toMatch(/^\d+$/)
  const together = await post(tenant.key, '/v1/limits/check-batch', {
    checks: [...checks.slice(0, 2), { policy: 'logins', key: 'other' }],
    allOrNone: true,
  })
  expect(together.status).toBe(429)
  const key = { policy: 'logins', key: 'k0' }
  expect(await (await post(tenant.key, '/v1/limits/peek', key)).json()).toMatchObject({ remaining: 4 })
})

test('a conversation that was closed meanwhile waits for a place, and is refused with a wait when there is none for long', async () => {
  const tenant = await newTenant()
  fillUp(tenant.id)
  let called = 0
  const waiting = callConversation(bounded, tenant.id, 'slow', () => Promise.resolve(++called))
  await scheduler.wait(300)
  expect(called).toBe(0)
  vi.setSystemTime(now + 11_000)
  expect(await waiting).toBe(1)

  fillUp(tenant.id)
  const refused = callConversation(bounded, tenant.id, 'other', () => Promise.resolve(++called)).catch(
    (thrown: unknown) => thrown,
  )
  await scheduler.wait(100)
  vi.setSystemTime(now + 16_000)
  expect(await refused).toBeInstanceOf(TooManyActors)
  expect(called).toBe(1)
})

test('a new name is refused at once, and one that the tenant used before is waited for', async () => {
  const tenant = await newTenant()
  await callTopic(bounded, tenant.id, 'news:old', false, () => Promise.resolve())
  vi.setSystemTime((now += 20_000))
  fillUp(tenant.id)
  const topic = (channel: string) => callTopic(bounded, tenant.id, channel, false, () => Promise.resolve(channel))
  await expect(topic('news:new')).rejects.toThrow(/^actors: .*; wait \d+ ms$/)
  const old = topic('news:old')
  vi.setSystemTime(now + 11_000)
  expect(await old).toBe('news:old')
})

test('commands of a gateway are refused with 111 and a wait where no place is free, and an ended subscription is not', async () => {
  const tenant = await newTenant()
  fillUp(tenant.id)
  const actor = { kind: 'topic', tenant: tenant.id, name: 'news:1' } as const
  const streamCall = (kind: 'publish' | 'leave') => ({
    gateway: 'enam/0',
    have: null,
    commands: [
      kind === 'publish'
        ? { user: 'ana', client: 'a', kind, data: '{}', infos: {}, once: '1' }
        : { user: 'ana', client: 'a', kind, last: true, alone: true },
    ],
  })
  const reached: string[] = []
  const execute = (name: string) => async () => {
    reached.push(name)
    return { update: { epoch: '', after: 0, publications: [], events: [] }, behind: false, results: [] }
  }
  const refused = await callOpen(bounded, actor, streamCall('publish'), execute('publish'))
  expect(refused.results).toMatchObject([
    { kind: 'refused', error: 'tooManyRequests', detail: expect.stringMatching(/^actors: wait \d+ ms$/) },
  ])
  const left = callOpen(bounded, { ...actor, isKnown: true }, streamCall('leave'), execute('leave'))
  // Longer than a command waits.
  vi.setSystemTime(now + 9000)
  await scheduler.wait(600)
  expect(reached).toEqual([])
  vi.setSystemTime(now + 11_000)
  await left
  expect(reached).toEqual(['leave'])
})

test('ids of a tenant of an earlier version, which carry no check, count as new names, and those of others as known ones', async () => {
  const [old, tenant] = [await newTenant(), await newTenant()]
  await runInDurableObject(
    env.TENANT.getByName(old.id),
    (_, { storage }) => void storage.kv.delete('conversationIdSecret'),
  )
  const read = async (as: string, id: string) =>
    await app.fetch(
      new Request(`https://parley.test/v1/conversations/${id}/messages`, {
        headers: { Authorization: `Bearer ${as}` },
      }),
      bounded,
      createExecutionContext(),
    )
  const [token, oldToken] = [await tenant.token('alice'), await old.token('alice')]
  const group = await tenant.group('alice')
  // The users' inboxes are open, and so are as many conversations as each tenant may have.
  for (const as of [token, oldToken]) expect((await read(as, uuidv7(now))).status).toBe(404)
  for (const { id } of [old, tenant]) fillUp(id)
  expect((await read(oldToken, uuidv7(now))).status).toBe(429)
  const waiting = read(token, group)
  await scheduler.wait(100)
  vi.setSystemTime(now + 11_000)
  expect((await waiting).status).toBe(200)
})

test('presence of topics and states of keys that were never used open no more actors than other new names, and store nothing', async () => {
  const tenant = await newTenant({ requestsPerSecondKey: 5000 })
  await namespace(tenant, 'looked-at', { ...lively, presence: true })
  const policy = { windows: [{ algorithm: 'token-bucket', limit: 5, windowSeconds: 60 }] }
  expect((await call('PUT /v1/limits/policies/looked-at', { as: tenant.key, body: policy })).status).toBeLessThan(300)
  const headers = { authorization: `Bearer ${tenant.key}`, 'content-type': 'application/json' }
  const post = async (path: string, body: object) => {
    const request = new Request(`https://parley${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return await app.fetch(request, bounded, createExecutionContext())
  }
  const opened = openActors.openings
  const statuses: number[] = []
  for (let n = 0; n < 150; n++) {
    statuses.push((await post('/v1/limits/peek', { policy: 'looked-at', key: `never-used-${n}` })).status)
    await post('/api/presence', { channel: `looked-at:${n}` })
  }
  expect(statuses).toContain(429)
  expect(openActors.openings - opened).toBeLessThanOrEqual(share + 5)
  const stored = await Promise.all(
    [0, 1, 2].map(async (n) => {
      const limiter = env.RATE_LIMITER.getByName(`${tenant.id}/~looked-at:never-used-${n}`)
      return await runInDurableObject(limiter, (_, { storage }) => [...storage.kv.list()].length)
    }),
  )
  expect(stored).toEqual([0, 0, 0])
})

import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { maxOpenedByTenant, openedActors } from '../../src/limits/opened-actors.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { namespace } from '../support/worker/topics.ts'

const broadcastAnswer = z.object({ result: z.object({ responses: z.array(z.looseObject({})) }) })

afterEach(() => void vi.useRealTimers())

/** The tenant opened all actors it may within ten seconds. */
function openMany({ id }: TestTenant): void {
  for (let n = 0; n < maxOpenedByTenant; n++) openedActors.note(id, Date.now())
}

/** A connection of the tenant. */
async function connected(tenant: TestTenant, user: string): Promise<Line> {
  const line = await Line.open()
  await line.ask({ connect: { token: await tenant.token(user) } })
  return line
}

test('a tenant that opened too many actors is refused everywhere where it could open more, and no other tenant is', async () => {
  const [tenant, other] = [await newTenant(), await newTenant()]
  for (const each of [tenant, other])
    await namespace(each, 'orders', { allow: { subscribe: 'users', publish: 'users' } })
  const [line, otherLine] = [await connected(tenant, 'ana'), await connected(other, 'ana')]
  const token = await tenant.token('bob')
  openMany(tenant)

  const refused = expect.stringMatching(
    /^too many conversations, topics, users, queues or keys in ten seconds: wait \d+ ms$/,
  )
  const { status, headers, body } = await call('GET /v1/namespaces', { as: tenant.key })
  expect([status, body]).toEqual([429, expect.objectContaining({ detail: refused })])
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await line.ask({ subscribe: { channel: 'orders:1' } })).toMatchObject({
    error: { code: 111, temporary: true },
  })
  expect(await line.ask({ publish: { channel: 'orders:1', data: {} } })).toMatchObject({
    error: { code: 111, temporary: true },
  })
  const late = await Line.open()
  expect(await late.ask({ connect: { token } })).toMatchObject({ error: { code: 111, temporary: true } })

  expect((await call('GET /v1/namespaces', { as: other.key })).status).toBe(200)
  expect(await otherLine.ask({ subscribe: { channel: 'orders:1' } })).toHaveProperty('subscribe')

  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 })
  expect((await call('GET /v1/namespaces', { as: tenant.key })).status).toBe(200)
})

test('a broadcast that opens too many topics says of each channel whether it was reached', async () => {
  // What other tests opened is closed by then.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 })
  const tenant = await newTenant()
  await namespace(tenant, 'orders', {})
  for (let n = 0; n < maxOpenedByTenant - 20; n++) openedActors.note(tenant.id, Date.now())
  const channels = Array.from({ length: 60 }, (_, n) => `orders:${n}`)
  const { body } = await call('POST /api/broadcast', { as: tenant.key, body: { channels, data: { n: 1 } } })
  const { responses } = broadcastAnswer.parse(body).result
  const reached = responses.filter((response) => 'result' in response).length
  expect(responses).toHaveLength(60)
  expect(reached).toBeGreaterThan(0)
  // Calls under way when the bound was reached still end: as many as one tenant has at once.
  expect(reached).toBeLessThanOrEqual(40)
  expect(responses.at(-1)).toMatchObject({ error: { code: 111 } })
})

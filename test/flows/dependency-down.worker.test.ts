import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { breakerOf } from '../../durable-objects/address.ts'
import { postgres } from '../../src/adapters/dependencies.ts'
import type { Opinion } from '../../src/resilience/opinion.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { postgresIsAway, postgresIsThere, type Statement } from '../support/worker/shards.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const readiness = z.object({
  dependencies: z.record(z.string(), z.object({ state: z.string(), breaker: z.string().optional() })),
})
const breakers = z.object({
  breakers: z.array(
    z.object({
      dependency: z.string(),
      state: z.string(),
      probes: z.number(),
      transitions: z.array(z.object({ to: z.string() })),
    }),
  ),
})

/** Requests that left this isolate since Postgres went away. */
let reached = 0

function away(): void {
  postgresIsAway()
  const answered = globalThis.fetch
  vi.stubGlobal('fetch', async (...given: Parameters<typeof fetch>) => {
    reached++
    return await answered(...given)
  })
}

// The steps of docs/design/resilience.md. The Worker of this test is one isolate; the others speak through `elsewhere`.
describe('a shard goes down and comes back', () => {
  let tenant: TestTenant
  let shard: string
  let statements: Statement[] = []

  /** Another isolate reports calls to the shard. */
  const elsewhere = async (isolate: string, failed: number, calls = 10): Promise<Opinion> => {
    const { key } = postgres(`postgresql://app:secret@shards.test/${shard}`).breaker
    const report = { isolate, counts: { calls, failed, slow: 0 }, isOpen: failed === calls }
    return await breakerOf(env, undefined, key).report(key, report)
  }
  const readUsage = async () => await call('GET /v1/usage', { as: tenant.key })
  const listed = async () => {
    const { body } = await call('GET /admin/v1/breakers', { as: operatorKey })
    return breakers.parse(body).breakers.find(({ dependency }) => dependency === shard)
  }

  beforeAll(async () => {
    statements = postgresIsThere()
    tenant = await newTenant()
    shard = (await env.TENANT.getByName(tenant.id).placement())?.shard ?? ''
    stopClock()
  })
  afterAll(() => void vi.useRealTimers())

  test('1. while it answers, an isolate that calls it seldom reports nothing', async () => {
    succeeded(await readUsage())
    expect(await listed()).toMatchObject({ state: 'closed', transitions: [] })
  })

  test('2. one isolate whose calls fail answers 503 at once after a few, and the shard stays closed for all others', async () => {
    await elsewhere('far', 0)
    away()
    for (let n = 0; n < 5; n++) expect((await readUsage()).status).toBe(503)
    const before = reached
    const refused = await readUsage()
    expect(refused).toMatchObject({ status: 503, body: { dependency: shard } })
    expect(reached).toBe(before)
    const { body } = await call('GET /readyz')
    expect(readiness.parse(body).dependencies[shard]).toMatchObject({ state: 'down', breaker: 'open' })
    expect(await elsewhere('far', 0)).toMatchObject({ state: 'closed' })
  })

  test('3. when others say the same, it is open for every isolate that asks', async () => {
    pass(400)
    await elsewhere('near', 10)
    await elsewhere('nearer', 10)
    expect(await elsewhere('far', 0)).toMatchObject({ state: 'open' })
    expect(await listed()).toMatchObject({ state: 'open', transitions: [{ to: 'open' }] })
    const { body } = await call('GET /readyz')
    expect(readiness.parse(body).dependencies[shard]).toMatchObject({ state: 'down', breaker: 'open' })
    expect((await call('GET /metrics')).text).toContain(`parley_breaker_state{dependency="${shard}"} 1`)
  })

  test('4. when its time is over one call goes out, of all isolates, and its failure keeps it open', async () => {
    pass(2000)
    const before = reached
    const [asked] = await Promise.all([readUsage(), readUsage(), readUsage()])
    expect(asked.status).toBe(503)
    expect(reached - before).toBe(1)
    await expect.poll(listed).toMatchObject({ state: 'open', probes: 1 })
  })

  test('5. the next probe succeeds and closes it for all', async () => {
    statements = postgresIsThere()
    pass(4000)
    succeeded(await readUsage())
    await expect.poll(listed).toMatchObject({ state: 'closed', probes: 2 })
    expect(await elsewhere('far', 0)).toMatchObject({ state: 'closed', closings: 1 })
    succeeded(await readUsage())
    expect(statements.length).toBeGreaterThanOrEqual(2)
  })
})

test('a user’s message is acknowledged while every breaker is open, without a call to any outside service', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  away()
  const before = reached
  expect((await tenant.post(lunch, 'alice', 'still here')).status).toBe(201)
  expect(reached).toBe(before)
})

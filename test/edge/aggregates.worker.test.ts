import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { databasesAreThere, type FakeDatabase } from '../support/worker/databases.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { operatorKey } from '../support/worker/tenant.ts'

let database: (name: string) => FakeDatabase
beforeEach(() => {
  database = databasesAreThere()
  stopClock()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const read = (line: string): Promise<Answer> => call(`GET /admin/v1/${line}`, { as: operatorKey })

/** Both shards say so many tenants from now on, and the first one that a tenant used so much. */
function holding(tenants: number): void {
  for (const shard of ['shard0', 'shard1'])
    database(shard).rows = ({ query }) =>
      query.includes('pg_database_size')
        ? [{ tenants, bytes: 1, conversations: 0, messages: 0, archivedPages: 0 }]
        : query.includes('FROM placements')
          ? [{ tenant_id: 'acme' }]
          : query.includes('FROM usage') && shard === 'shard0'
            ? [{ tenant: 'acme', total: tenants }]
            : []
}
const questions = () =>
  database('shard0').statements.filter(({ query }) => /pg_database_size|FROM usage/.test(query)).length

test('a sum over all shards is asked once an hour, however many ask at the same time, and says how old it is', async () => {
  holding(2)
  const answers = await Promise.all(Array.from({ length: 8 }, () => read('shards/counts')))
  const asOf = Date.now()
  for (const { body, headers } of answers) {
    expect(body).toMatchObject({ total: { tenants: 4 }, missing: [], asOf })
    expect(headers.get('age')).toBe('0')
  }
  expect(questions()).toBe(1)

  holding(3)
  pass(3_599_000)
  const later = await read('shards/counts')
  expect(later.body).toMatchObject({ total: { tenants: 4 }, asOf })
  expect(later.headers.get('age')).toBe('3599')
  expect(questions()).toBe(1)
  pass(1000)
  expect((await read('shards/counts')).body).toMatchObject({ total: { tenants: 6 }, asOf: asOf + 3_600_000 })
  expect(questions()).toBe(2)
})

test('an operator has the shards asked now with fresh=true, and all callers are given that answer afterwards', async () => {
  const top = 'top-tenants?from=2026-11-01&to=2026-11-30'
  holding(2)
  await read(top)
  holding(5)
  expect((await read(top)).body).toMatchObject({ tenants: [{ tenant: 'acme', total: 2 }] })
  pass(1000)
  const fresh = await read(`${top}&fresh=true`)
  expect(fresh.body).toMatchObject({ tenants: [{ tenant: 'acme', total: 5 }], asOf: Date.now() })
  expect((await read(top)).body).toEqual(fresh.body)
  // Another question is another answer.
  expect((await read(`${top}&by=jobs`)).body).toMatchObject({ by: 'jobs', tenants: [{ total: 5 }] })
  expect((await read(`${top}&fresh=maybe`)).status).toBe(400)
})

test('an answer that lacks a shard is not kept', async () => {
  holding(2)
  database('shard1').isAway = true
  expect((await read('shards/counts?fresh=true')).body).toMatchObject({
    total: { tenants: 2 },
    missing: [{ shard: 'shard1' }],
  })
  database('shard1').isAway = false
  pass(20_000)
  await expect
    .poll(async () => (await read('shards/counts')).body)
    .toMatchObject({ total: { tenants: 4 }, missing: [] })
})

import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { tenantOf } from '../../durable-objects/address.ts'
import { moveView, type MoveView } from '../../src/protocol/moves-api.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { databasesAreThere, type FakeDatabase } from '../support/worker/databases.ts'
import { call, type Answer } from '../support/worker/http.ts'
import type { Statement } from '../support/worker/shards.ts'
import { operatorKey, succeeded } from '../support/worker/tenant.ts'

let database: (name: string) => FakeDatabase
beforeEach(() => {
  const named = databasesAreThere()
  const prepared = new Set<string>()
  database = (name) => {
    const found = named(name)
    if (!prepared.has(name)) found.rows = emptyShard
    prepared.add(name)
    return found
  }
  for (const name of ['shard0', 'shard1']) database(name)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A shard without rows of the tenant. */
function emptyShard({ query }: Statement): ReturnType<FakeDatabase['rows']> {
  if (query.includes('string_agg(word')) return [{ ordered: 'a b' }]
  if (query.includes('information_schema.columns')) return [{ columns: 'messages.body text' }]
  if (query.includes('EXISTS (SELECT 1 FROM')) return [{ found: false }]
  if (query.includes('pg_snapshot_xmax')) return [{ horizon: '7' }]
  if (query.includes('pg_snapshot_xmin')) return [{ settled: true }]
  if (query.includes('AS counted')) return [{ rows: 0 }]
  if (query.includes('SELECT equal FROM compared')) return [{ equal: true }]
  if (query.includes('WITH page AS')) return [{ body: '[]', rows: 0, cursor: null }]
  if (query.includes('WITH gone AS (DELETE FROM') && !query.includes('given AS')) return [{ rows: 0 }]
  return []
}

const asOperator = (line: string, body?: object): Promise<Answer> =>
  call(line, { as: operatorKey, ...(body === undefined ? {} : { body }) })

let count = 0
async function register(more: object = {}): Promise<string> {
  const name = `mv${++count}_${crypto.randomUUID().slice(0, 8)}`
  database(name)
  const connection = `postgresql://parley_app:open-sesame@db.example.com/${name}`
  succeeded(await asOperator(`PUT /admin/v1/shards/${name}`, { connection, ...more }))
  return name
}

/** A tenant on a shard of its own, and a shard to move it to. */
async function placed(): Promise<{ readonly id: string; readonly from: string; readonly to: string }> {
  const from = await register({ region: 'sam' })
  const id = `t${crypto.randomUUID()}`
  succeeded(await asOperator(`PUT /admin/v1/tenants/${id}`, { name: 'Moved', region: 'sam' }))
  await asOperator(`PATCH /admin/v1/shards/${from}`, { state: 'draining' })
  const to = await register()
  expect((await tenantOf(env, id).placement())?.shard).toBe(from)
  return { id, from, to }
}

const moveOf = async (id: string): Promise<MoveView> =>
  moveView.parse(succeeded(await asOperator(`GET /admin/v1/tenants/${id}/move`)))

/** Rings the alarm of the tenant until its move is in a state. */
const until = (id: string, state: string) =>
  expect
    .poll(
      async () => {
        await runDurableObjectAlarm(tenantOf(env, id))
        return (await moveOf(id)).state
      },
      { timeout: 20_000 },
    )
    .toBe(state)

describe('a move', () => {
  test('changes the placement, waits for its confirmation, and ends', async () => {
    const { id, from, to } = await placed()
    const { status, body } = await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to })
    expect([status, body]).toEqual([202, expect.objectContaining({ from, to, serving: from, state: 'starting' })])
    await until(id, 'awaiting-confirmation')
    expect(await tenantOf(env, id).placement()).toEqual({ shard: to, epoch: 2 })
    expect(succeeded(await asOperator(`GET /admin/v1/tenants/${id}`))).toMatchObject({
      placement: { shard: to, epoch: 2 },
    })
    expect(await moveOf(id)).toMatchObject({ serving: to, fences: 1, error: null })
    // The former shard is needed for a reversal, and a deletion has to find all rows in one place.
    database(from).rows = (statement) =>
      statement.query.includes('FROM moves') ? [{ tenant_id: id }] : emptyShard(statement)
    const removed = await asOperator(`DELETE /admin/v1/shards/${from}`)
    expect([removed.status, removed.body.detail]).toEqual([409, expect.stringContaining(`rows of "${id}", whose move`)])
    database(from).rows = emptyShard
    const deleted = await asOperator(`DELETE /admin/v1/tenants/${id}`)
    expect([deleted.status, deleted.body.detail]).toEqual([409, expect.stringContaining('being moved')])
    stopClock()
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/confirm`))
    pass(15_000)
    await until(id, 'confirmed')
    expect((await moveOf(id)).endedAt).not.toBeNull()
    await runDurableObjectAlarm(tenantOf(env, id))
    const metrics = (await call('GET /metrics', { as: operatorKey })).text
    expect(metrics).toContain('parley_moves_ended_total{outcome="confirmed"} 1')
    expect(metrics).toContain('parley_move_fences_total 1')
    expect(metrics).toContain('parley_moves{state="awaiting-confirmation"} 0')
    const again = await asOperator(`POST /admin/v1/tenants/${id}/move/reverse`)
    expect([again.status, again.body.detail]).toEqual([409, expect.stringContaining('the move is confirmed')])
  })

  test('chooses the shard itself, goes on after a failure, and can be reversed', async () => {
    const { id, from, to } = await placed()
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to }))
    database(to).isAway = true
    await expect
      .poll(
        async () => {
          await runDurableObjectAlarm(tenantOf(env, id))
          return (await moveOf(id)).failures
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0)
    expect((await moveOf(id)).error).not.toBeNull()
    database(to).isAway = false
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/reverse`))
    await until(id, 'reversed')
    expect((await tenantOf(env, id).placement())?.shard).toBe(from)
    // Not the shard that was away: its breaker may still be open.
    const heavy = await register({ weight: 1000 })
    const chosen = succeeded(await asOperator(`POST /admin/v1/tenants/${id}/moves`, {}))
    expect(chosen['to']).toBe(heavy)
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/reverse`))
  })

  test('that was paused stays as it is until it is resumed', async () => {
    const { id, to } = await placed()
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to }))
    const paused = succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/pause`))
    expect(paused).toMatchObject({ isPaused: true, nextAt: null })
    const before = await stored(id)
    await runDurableObjectAlarm(tenantOf(env, id))
    expect(await stored(id)).toEqual(before)
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/resume`))
    await until(id, 'awaiting-confirmation')
  })
})

const stored = (id: string) =>
  runInDurableObject(tenantOf(env, id), (_, { storage }) => JSON.stringify(storage.kv.get('move')))

describe('a move is refused', () => {
  test('with the field and the rule at fault', async () => {
    const { id, from, to } = await placed()
    const draining = await register({ state: 'draining' })
    const readOnly = await register({ state: 'read-only' })
    const old = await register()
    const filled = await register()
    const sorted = await register()
    const gone = await register()
    database(filled).rows = (statement) =>
      statement.query.includes('FROM members WHERE') ? [{ found: true }] : emptyShard(statement)
    database(sorted).rows = (statement) =>
      statement.query.includes('string_agg(word') ? [{ ordered: 'b a' }] : emptyShard(statement)
    database(gone).isAway = true
    database(old).migration = 1
    await env.PLATFORM.getByName('house').noteShardSchema(old, 1)
    const asks = async (body: object) => {
      const { status, body: answer } = await asOperator(`POST /admin/v1/tenants/${id}/moves`, body)
      return [status, answer.detail]
    }
    expect(await asks({ to: 'nowhere' })).toEqual([400, 'to: no shard "nowhere" is registered'])
    expect(await asks({ to: 'Not a name' })).toEqual([400, expect.stringContaining('to')])
    expect(await asks({ to, rowsPerSecond: 0 })).toEqual([400, expect.stringContaining('rowsPerSecond')])
    expect(await asks({ to: from })).toEqual([409, `to: the tenant is on "${from}" already`])
    expect(await asks({ to: draining })).toEqual([409, expect.stringContaining(`"${draining}" is draining`)])
    expect(await asks({ to: readOnly })).toEqual([409, expect.stringContaining(`"${readOnly}" is read-only`)])
    expect(await asks({ to: filled })).toEqual([409, expect.stringContaining('rows of the tenant already, in members')])
    expect(await asks({ to: sorted })).toEqual([409, expect.stringContaining('collation')])
    expect(await asks({ to: gone })).toEqual([503, expect.stringContaining(gone)])
    expect(await asks({ to: old })).toEqual([409, expect.stringContaining('has migration 1 of')])
  })

  test('of a tenant that does not exist, is suspended, or is moved already', async () => {
    const unknown = await asOperator('POST /admin/v1/tenants/unknown-tenant/moves', { to: 'shard0' })
    expect(unknown.status).toBe(404)
    expect((await asOperator('GET /admin/v1/tenants/unknown-tenant/move')).status).toBe(404)
    expect((await asOperator('POST /admin/v1/tenants/unknown-tenant/move/confirm')).status).toBe(404)
    const { id, to } = await placed()
    const never = await asOperator(`POST /admin/v1/tenants/${id}/move/confirm`)
    expect([never.status, never.body.detail]).toEqual([404, expect.stringContaining('never moved')])
    succeeded(await asOperator(`PATCH /admin/v1/tenants/${id}`, { state: 'suspended' }))
    const suspended = await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to })
    expect([suspended.status, suspended.body.detail]).toEqual([409, expect.stringContaining('is suspended')])
    succeeded(await asOperator(`PATCH /admin/v1/tenants/${id}`, { state: 'active' }))
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to }))
    const second = await asOperator(`POST /admin/v1/tenants/${id}/moves`, { to })
    expect([second.status, second.body.detail]).toEqual([409, expect.stringContaining('is under way')])
    const early = await asOperator(`POST /admin/v1/tenants/${id}/move/confirm`)
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining('awaiting-confirmation')])
    succeeded(await asOperator(`POST /admin/v1/tenants/${id}/move/reverse`))
  })
})

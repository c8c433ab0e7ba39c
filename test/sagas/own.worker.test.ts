import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { platformTenant } from '../../src/limits/limiter-names.ts'
import { creationRun, deletionRun, ownSagas, ownSagasTenant } from '../../src/sagas/own.ts'
import { badDefinition, warningsOf } from '../../src/sagas/definition.ts'
import { begun, fenced, requestDeletion } from '../../src/tenants/deletion.ts'
import { stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { deletionTurn, eraseTenant } from '../support/worker/own-runs.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, operatorKey, succeeded } from '../support/worker/tenant.ts'

const ask = async (line: string, body?: unknown) =>
  await call(line, { as: operatorKey, ...(body === undefined ? {} : { body }) })
const read = async (run: string) => (await ask(`GET /admin/v1/saga-runs/${run}`)).body
const becomes = (run: string, state: string) =>
  expect.poll(async () => (await read(run))['state'], { timeout: 30_000 }).toBe(state)
const stepsOf = async (run: string) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a run
  const steps = (await read(run))['steps'] as { name: string; state: string; reason: string | null }[]
  return Object.fromEntries(steps.map(({ name, state }) => [name, state]))
}

async function deleted(graceDays: number) {
  const { id } = await newTenant()
  const { body } = await ask(`DELETE /admin/v1/tenants/${id}?graceDays=${graceDays}`)
  return { id, run: deletionRun(id, Number(body['requestedAt'])) }
}

const answers = { isUp: true }

beforeEach(() => {
  answers.isUp = true
  postgresIsThere(({ query }) => {
    if (!answers.isUp) throw new Error('Postgres is down')
    if (query.includes(' AS deleted')) return [{ deleted: 0, last: '' }]
    return query.includes('count(*) AS rows') ? [{ rows: 0 }] : []
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('the sagas of the platform', () => {
  test('run under the reserved tenant, and their definitions would be accepted', () => {
    expect(ownSagasTenant).toBe(platformTenant)
    for (const definition of Object.values(ownSagas)) expect(badDefinition(definition)).toBeUndefined()
    for (const definition of Object.values(ownSagas))
      expect(warningsOf(definition).filter((warning) => !warning.includes('compensat'))).toEqual([])
  })

  test('create a tenant: its run shows when it was placed', async () => {
    const { id } = await newTenant()
    await becomes(creationRun(id), 'completed')
    expect(await stepsOf(creationRun(id))).toEqual({ register: 'done', place: 'done' })
    expect((await ask('GET /admin/v1/sagas')).body).toMatchObject({
      sagas: [{ name: 'tenant-creation' }, { name: 'tenant-deletion' }, { name: 'user-erasure' }],
    })
    expect((await ask('GET /admin/v1/saga-runs?saga=tenant-creation')).body).toMatchObject({
      runs: expect.arrayContaining([expect.objectContaining({ id: creationRun(id), state: 'completed' })]),
    })
  })

  test('say why a tenant cannot be placed, go on by themselves, and can be hurried by an operator', async () => {
    answers.isUp = false
    const { id } = await newTenant()
    const run = creationRun(id)
    await expect.poll(async () => (await stepsOf(run))['place']).toBe('pausing')
    expect(await read(run)).toMatchObject({ state: 'running' })
    answers.isUp = true
    expect((await ask(`POST /admin/v1/saga-runs/${run}/steps/place/retry`)).status).toBe(200)
    await becomes(run, 'completed')
    expect((await read(run))['history']).toContainEqual(expect.objectContaining({ event: 'retried', by: 'operator' }))
  })

  test('delete a tenant step by step', async () => {
    stopClock()
    const { id, run } = await deleted(0)
    await eraseTenant(id)
    await deletionTurn(id)
    await becomes(run, 'completed')
    expect(Object.values(await stepsOf(run)).every((state) => state === 'done')).toBe(true)
    expect((await ask(`GET /admin/v1/tenants/${id}/deletion`)).body).toMatchObject({ phase: 'deleted' })
  }, 120_000)

  test('restore a tenant whose run is cancelled within the grace, and end the run of one that is restored', async () => {
    const { id, run } = await deleted(7)
    await expect.poll(async () => (await stepsOf(run))['grace']).toBe('pausing')
    expect((await ask(`POST /admin/v1/saga-runs/${run}/cancel`, { reason: 'by mistake' })).status).toBe(200)
    await becomes(run, 'compensated')
    expect((await ask(`GET /admin/v1/tenants/${id}`)).body).toMatchObject({ state: 'active' })
    expect((await ask(`GET /admin/v1/tenants/${id}/deletion`)).status).toBe(404)
    const again = await ask(`DELETE /admin/v1/tenants/${id}`)
    const other = deletionRun(id, Number(again.body['requestedAt']))
    await expect.poll(async () => (await stepsOf(other))['grace']).toBe('pausing')
    expect((await ask(`POST /admin/v1/tenants/${id}/restore`)).status).toBe(200)
    await becomes(other, 'compensated')
    expect((await ask(`GET /admin/v1/tenants/${id}`)).body).toMatchObject({ state: 'active' })
  })

  test('leave a tenant alone that was restored and deleted again meanwhile', async () => {
    const { id } = await deleted(7)
    const tenant = env.TENANT.getByName(id)
    const requestedAt = Number((await ask(`GET /admin/v1/tenants/${id}/deletion`)).body['requestedAt'])
    // A compensation of an earlier deletion's run that comes late.
    expect(await tenant.restore(requestedAt - 1)).toMatchObject({ kind: 'refused' })
    expect(await tenant.continueDeletion('grace', requestedAt - 1)).toEqual({ kind: 'none' })
    expect((await ask(`GET /admin/v1/tenants/${id}`)).body).toMatchObject({ state: 'deleting' })
  })

  test('are notified of another grace while they wait for one', async () => {
    const { id, run } = await deleted(7)
    await expect.poll(async () => (await stepsOf(run))['grace']).toBe('pausing')
    succeeded(await ask(`DELETE /admin/v1/tenants/${id}?graceDays=0`))
    await expect.poll(async () => (await stepsOf(run))['grace']).toBe('done')
  })

  test('go on with a deletion that the version before began, where it was', async () => {
    stopClock()
    const { id } = await newTenant()
    const now = Date.now()
    const before = fenced(begun(requestDeletion(undefined, 'active', 0, now), now), now - 60_000)
    await runInDurableObject(env.TENANT.getByName(id), async (_, { storage }) => {
      storage.kv.put('deletion', before)
      // As that version left it: no run, and an alarm.
      await storage.setAlarm(now)
    })
    const run = deletionRun(id, now)
    await eraseTenant(id)
    await becomes(run, 'completed')
    expect((await ask(`GET /admin/v1/tenants/${id}/deletion`)).body).toMatchObject({ phase: 'deleted' })
  }, 120_000)
})

import { createScheduledController, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import wrangler from '../../wrangler.toml?raw'
import { schedule } from '../../src/cron/schedule.ts'
import worker from '../../src/index.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

test('the table and the triggers in wrangler.toml are the same', () => {
  const triggers: readonly string[] = JSON.parse(/^crons = (\[.*\])$/m.exec(wrangler)![1]!)
  expect(new Set(schedule.map(({ cron }) => cron))).toEqual(new Set(triggers))
  expect(new Set(schedule.map(({ name }) => name)).size).toBe(schedule.length)
})

const ring = (cron: string, at = Date.UTC(2026, 10, 22)) =>
  worker.scheduled(createScheduledController({ cron, scheduledTime: new Date(at) }), env)

test('at night every shard gets the partitions of this and the next months', async () => {
  const statements = postgresIsThere()
  await ring('17 3 * * *')
  const made = statements.filter(({ query }) => query.includes('create_message_partition'))
  expect(made).toHaveLength(2)
  for (const { params } of made) expect(params[0]).toBe('{"2026-11-01","2026-12-01","2027-01-01"}')
  vi.unstubAllGlobals()
})

test('at night placements are published again, of all tenants of the directory, page by page', async () => {
  const tenants = [await newTenant(), await newTenant()]
  const statements = postgresIsThere(({ query, params }) =>
    query.includes('FROM tenants') && params[0] === '' ? tenants.map(({ id }) => ({ tenant_id: id })) : [],
  )
  await ring('17 3 * * *')
  const isTold = (id: string) =>
    statements.some(({ query, params }) => query.includes('INTO placements') && params[0] === id)
  for (const { id } of tenants)
    await expect
      .poll(async () => {
        await runDurableObjectAlarm(env.TENANT.getByName(id))
        return isTold(id)
      })
      .toBe(true)
  vi.unstubAllGlobals()
})

test('an unknown trigger, or an entry that fails, does no harm', async () => {
  await ring('1 2 3 4 5')
  vi.stubGlobal('fetch', () => Promise.reject(new Error('away')))
  await ring('*/5 * * * *')
  await ring('17 3 * * *')
  vi.unstubAllGlobals()
})

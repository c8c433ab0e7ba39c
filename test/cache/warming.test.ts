import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deployment } from '../support/cache/deployment.ts'

let deployment: Deployment
const minuteMs = 60_000

beforeEach(() => {
  deployment = new Deployment()
  for (const tenant of ['used', 'idle']) deployment.provision(tenant, ['key'])
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('the record of a tenant that was used in the last five minutes is in Redis before it expires, and an idle tenant is not called', async () => {
  const [one, other, cron] = [
    await deployment.newProcess(),
    await deployment.newProcess(),
    await deployment.newProcess(),
  ]
  for (const tenant of ['used', 'idle']) await one.record(tenant)
  await deployment.redis.quiet()
  const asked = (tenant: string) => deployment.tenant(tenant).asked
  expect([asked('used'), asked('idle')]).toEqual([1, 1])
  await one.record('used')

  // The question of a second later names what was read.
  deployment.pass(1000)
  await one.record('used')
  deployment.pass(4 * minuteMs)
  await one.record('used')
  deployment.pass(1000)
  await one.record('used')
  await cron.warm()
  await deployment.redis.quiet()
  const warmed = asked('used')
  expect(warmed).toBeGreaterThan(1)

  // Beyond the lifetime of what was put into Redis first.
  deployment.pass(3 * minuteMs)
  await other.record('used')
  expect(asked('used')).toBe(warmed)

  // Used in the period before the last one only: called no more.
  deployment.pass(6 * minuteMs)
  const before = [asked('used'), asked('idle')]
  for (let period = 0; period < 3; period++) {
    await cron.warm()
    deployment.pass(5 * minuteMs)
  }
  expect([asked('used'), asked('idle')]).toEqual(before)
})

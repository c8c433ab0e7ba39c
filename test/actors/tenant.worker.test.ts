import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

test('a tenant that changed once more before its gateways heard of its state rests when they have', async () => {
  postgresIsThere()
  const { id } = await newTenant()
  const tenant = env.TENANT.getByName(id)
  await runInDurableObject(tenant, (actor) => {
    actor.setState('suspended')
    actor.setLimits(undefined, {})
  })
  for (let rings = 0; await runDurableObjectAlarm(tenant); rings++) expect(rings).toBeLessThan(5)
  expect(await runInDurableObject(tenant, (_, { storage }) => storage.kv.get('stateOwed'))).toBeUndefined()
})

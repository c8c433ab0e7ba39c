import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { gatewayNamed } from '../../durable-objects/address.ts'
import type { Env } from '../../src/env.ts'
import wrangler from '../../wrangler.toml?raw'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

test('a deploy waits until an object hibernates', () => {
  expect(wrangler).toMatch(/^code_update_strategy = \{ mode = "deferred", max_delay = 3600 \}$/m)
})

// What a deferred update is to a gateway: its instance is gone, and the next one, of newer code, finds the sockets.
test('a socket that hibernates outlasts the instance of its gateway, and the next instance delivers what follows', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const alice = await connectAs(tenant, 'alice', { gateway: 'deploy/0' })
  const bob = await connectAs(tenant, 'bob', { gateway: 'deploy/0' })
  for (const person of [alice, bob]) await person.subscribe(lunch)
  await alice.send(lunch, 'before')
  expect(await bob.hears(lunch)).toMatchObject({ offset: 1 })
  const gateway = env.GATEWAY.getByName('deploy/0')
  const { since, sockets } = await gateway.stats()
  await putToSleep(gateway)
  await bob.send(lunch, 'after')
  expect(await alice.hears(lunch)).toMatchObject({ offset: 1 })
  expect(await alice.hears(lunch)).toMatchObject({ offset: 2, data: { text: 'after' } })
  const next = await gateway.stats()
  expect(next.since).toBeGreaterThan(since)
  expect(next.sockets).toBe(sockets)
})

test('a gateway is created in its region, whichever location first calls it', () => {
  const getByName = vi.fn()
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the binding of gateways is used
  const bindings = { GATEWAY: { getByName } } as unknown as Env
  gatewayNamed(bindings, 'weur/3')
  gatewayNamed(bindings, 'apac-se/0')
  gatewayNamed(bindings, 'somewhere/0')
  expect(getByName.mock.calls).toEqual([
    ['weur/3', { locationHint: 'weur' }],
    ['apac-se/0', { locationHint: 'apac-se' }],
    ['somewhere/0', undefined],
  ])
})

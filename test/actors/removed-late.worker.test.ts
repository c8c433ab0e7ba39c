import { afterEach, expect, test, vi } from 'vitest'
import { env } from 'cloudflare:workers'
import { Gateway } from '../../durable-objects/gateway/gateway.ts'
import type { ChannelUpdate, EphemeralEvent } from '../../src/protocol/stream.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

// A gateway is told again what it was told already when its answer was lost: by then who was removed may be back.

afterEach(() => void vi.restoreAllMocks())

/** From here on, what gateways were told of removals. */
function removals(): () => ChannelUpdate[] {
  const { mock } = vi.spyOn(Gateway.prototype, 'publish')
  return () => mock.calls.map(([update]) => update).filter(({ events: signals }) => signals.some(isRemoval))
}

const isRemoval = ({ kind }: EphemeralEvent) => kind === 'removed'

test('a removed member that came back goes on receiving when the removal is announced once more', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob', 'carol')
  const gateway = 'removed-late/0'
  const [bob, carol] = [await connectAs(tenant, 'bob', { gateway }), await connectAs(tenant, 'carol', { gateway })]
  for (const person of [bob, carol]) await person.subscribe(lunch)
  const told = removals()
  await tenant.remove(lunch, 'bob')
  expect(await bob.isUnsubscribed(lunch)).toMatchObject({ code: 2100 })
  await bob.alsoHeard(lunch)
  const late = told()
  expect(late).toHaveLength(1)

  succeeded(await call(`POST /v1/conversations/${lunch}/members`, { as: tenant.key, body: { members: ['bob'] } }))
  await bob.subscribe(lunch)
  for (const update of late) await env.GATEWAY.getByName(gateway).publish(update)
  await carol.send(lunch, 'welcome back')
  expect((await bob.hears(lunch)).offset).toBe(3)
  expect(JSON.stringify(await bob.alsoHeard(lunch))).not.toContain('2100')
})

test('a member of a direct conversation that began anew goes on receiving when the end of the old one is announced late', async () => {
  const tenant = await newTenant()
  const wanted = { type: 'direct', members: ['alice', 'bob'] }
  const create = async () => succeeded(await call('POST /v1/conversations', { as: tenant.key, body: wanted }))
  const { id } = await create()
  const gateway = 'removed-late/1'
  const bob = await connectAs(tenant, 'bob', { gateway })
  await bob.subscribe(id)
  const told = removals()
  succeeded(await call(`DELETE /v1/conversations/${id}`, { as: tenant.key }))
  expect(await bob.isUnsubscribed(id)).toMatchObject({ code: 2100 })
  const [late] = told()

  await create()
  const { epoch, offset } = await bob.subscribe(id)
  // As it leaves an actor that had more to say by then.
  await env.GATEWAY.getByName(gateway).publish({ ...late!, epoch, after: offset ?? 0 })
  await tenant.post(id, 'alice', 'hello again')
  expect((await bob.hears(id)).data['text']).toBe('hello again')
})

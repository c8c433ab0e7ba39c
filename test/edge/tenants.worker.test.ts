import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { maxKeys } from '../../src/tenants/record.ts'
import { call } from '../support/worker/http.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { type TestTenant, newTenant, operatorKey, succeeded } from '../support/worker/tenant.ts'
import { connect, lively, namespace } from '../support/worker/topics.ts'

const asOperator = (line: string, body?: object) =>
  call(line, { as: operatorKey, ...(body === undefined ? {} : { body }) })

const withKeys = z.object({ keys: z.array(z.strictObject({ id: z.string(), at: z.number() })) })

async function keysOf({ id }: TestTenant): Promise<string[]> {
  const { body } = await asOperator(`GET /admin/v1/tenants/${id}`)
  return withKeys.parse(body).keys.map((key) => key.id)
}

const opens = async (key: string) => (await call('GET /v1/conversations?user=ana', { as: key })).status === 200

describe('a tenant', () => {
  test('is made once, with a key that is shown once; putting it again changes it and makes no further key', async () => {
    const id = `t${crypto.randomUUID()}`
    const made = await asOperator(`PUT /admin/v1/tenants/${id}`, { name: 'First', limits: { messagesBurst: 7 } })
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({
      id,
      name: 'First',
      state: 'active',
      plan: 'default',
      limits: { messagesBurst: 7 },
    })
    expect(await opens(made.body.apiKey)).toBe(true)

    const again = await asOperator(`PUT /admin/v1/tenants/${id}`, { name: 'Second' })
    expect(again.status).toBe(200)
    expect(again.body).toMatchObject({ id, name: 'Second', keys: withKeys.parse(made.body).keys })
    expect(again.body).not.toHaveProperty('apiKey')
    expect((await asOperator(`GET /admin/v1/tenants/${id}`)).body).toEqual(again.body)
    expect(await opens(made.body.apiKey)).toBe(true)
  })

  test('shows neither keys nor what they are kept as', async () => {
    const tenant = await newTenant()
    const { text } = await asOperator(`GET /admin/v1/tenants/${tenant.id}`)
    expect(text).not.toContain(tenant.key)
    expect(text).not.toContain('hash')
  })

  test('that was never made is not found, and cannot be given a key', async () => {
    expect((await asOperator('GET /admin/v1/tenants/absent')).status).toBe(404)
    expect((await asOperator('POST /admin/v1/tenants/absent/keys')).status).toBe(404)
    expect((await asOperator('PATCH /admin/v1/tenants/absent', { state: 'suspended' })).status).toBe(404)
  })
})

describe('its keys', () => {
  test('are changed without a gap: a second is made, and the first taken out of use', async () => {
    const tenant = await newTenant()
    const [first = ''] = await keysOf(tenant)
    const second = succeeded(await asOperator(`POST /admin/v1/tenants/${tenant.id}/keys`))
    expect(await keysOf(tenant)).toEqual([first, second.id])
    expect(await opens(tenant.key)).toBe(true)
    expect(await opens(second.apiKey)).toBe(true)

    const revoke = (id: string) => asOperator(`DELETE /admin/v1/tenants/${tenant.id}/keys/${id}`)
    expect((await revoke(first)).status).toBe(204)
    expect((await revoke(first)).status).toBe(404)
    expect(await opens(tenant.key)).toBe(false)
    expect(await opens(second.apiKey)).toBe(true)
    expect(await keysOf(tenant)).toEqual([second.id])
  })

  test(`are ${maxKeys} at most`, async () => {
    const tenant = await newTenant()
    const more = () => asOperator(`POST /admin/v1/tenants/${tenant.id}/keys`)
    for (let n = 2; n <= maxKeys; n++) succeeded(await more())
    const { status, body } = await more()
    expect(status).toBe(409)
    expect(body.detail).toContain(`at most ${maxKeys} keys; delete one first`)
    expect(await keysOf(tenant)).toHaveLength(maxKeys)
  })
})

test('a tenant that changed once more before its gateways were notified of its state rests when they have', async () => {
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

test('gateways use no namespace and no limit of a tenant from before a change that they were notified of', async () => {
  postgresIsThere()
  const tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
  const alice = await connect(await tenant.token('alice'))
  const subscribe = async (channel: string) => await alice.ask({ subscribe: { channel } })
  expect((await subscribe('orders:1')).subscribe).toBeDefined()
  expect((await call('DELETE /v1/namespaces/orders', { as: tenant.key })).status).toBe(204)
  await told(tenant)
  expect((await subscribe('orders:2')).error).toMatchObject({ code: 102 })

  await namespace(tenant, 'orders', lively)
  await told(tenant)
  expect((await subscribe('orders:3')).subscribe).toBeDefined()
})

test('gateways are notified when a plan changes', async () => {
  postgresIsThere()
  const plan = `plan-${crypto.randomUUID().slice(0, 8)}`
  const put = async (commandsPerSecondConnection: number) =>
    await call(`PUT /admin/v1/plans/${plan}`, {
      as: operatorKey,
      body: { limits: { commandsPerSecondConnection }, together: {} },
    })
  expect((await put(1000)).status).toBe(200)
  const tenant = await newTenant()
  const limits = { plan, limits: {} }
  expect((await call(`PUT /admin/v1/tenants/${tenant.id}/limits`, { as: operatorKey, body: limits })).status).toBe(200)
  await told(tenant)
  const alice = await connect(await tenant.token('alice'))
  const refused = async () => {
    const asked = alice.say(...Array.from({ length: 100 }, () => ({ rpc: { method: 'none', data: {} } })))
    const replies = await Promise.all(asked.map((id) => alice.replyTo(id)))
    return replies.filter(({ error }) => error?.code === 111).length
  }
  expect(await refused()).toBe(0)
  expect((await put(1)).status).toBe(200)
  // The first command asks for the tenant anew.
  await expect.poll(refused, { timeout: 20_000 }).toBeGreaterThan(50)
})

/** The gateways that a tenant has to tell of its change have been told. */
async function told({ id }: TestTenant): Promise<void> {
  const tenant = env.TENANT.getByName(id)
  for (let rings = 0; await runDurableObjectAlarm(tenant); rings++) expect(rings).toBeLessThan(5)
}

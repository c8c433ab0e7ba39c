import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { gatewayNamed, limiterNamed } from '../../durable-objects/address.ts'
import { limiterName } from '../../src/limits/limiter-names.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'

async function tenantWith(connectionsTenant: number): Promise<TestTenant> {
  const tenant = await newTenant()
  const body = { limits: { connectionsTenant } }
  succeeded(await call(`PUT /admin/v1/tenants/${tenant.id}/limits`, { as: operatorKey, body }))
  return tenant
}

const newGateway = (name: string) => `${name}-${crypto.randomUUID()}`

async function come(gateway: string, tenant: TestTenant, user: string) {
  const line = await Line.open(gateway)
  const { connect, error } = await line.ask({ connect: { token: await tenant.token(user) } })
  return { line, in: connect !== undefined, code: error?.code }
}

const limiterOf = (tenant: TestTenant) => limiterNamed(env, limiterName(tenant.id, 'connections-tenant', ''))
const heldOf = async (tenant: TestTenant) =>
  (await limiterOf(tenant).peek({ windows: [], mode: 'hard', version: 0 })).leased

describe('a tenant that may have three connections', () => {
  test('has them at whichever gateways, a fourth has to wait, and comes in when a socket closes', async () => {
    const tenant = await tenantWith(3)
    const [here, there] = [newGateway('here'), newGateway('there')]
    const ana = await come(here, tenant, 'ana')
    expect([ana.in, (await come(here, tenant, 'bob')).in, (await come(there, tenant, 'cleo')).in]).toEqual([
      true,
      true,
      true,
    ])
    const dan = await come(there, tenant, 'dan')
    expect([dan.in, dan.code]).toEqual([false, 111])

    ana.line.close()
    await eventually('a free slot', async () => ((await heldOf(tenant)) === 2 ? true : undefined))
    expect((await come(there, tenant, 'dan')).in).toBe(true)
  })

  test('when all come at once, exactly three are in', async () => {
    const tenant = await tenantWith(3)
    const gateways = [newGateway('a'), newGateway('b')]
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => come(gateways[i % 2] ?? '', tenant, `user${i}`)))
    expect(all.filter((each) => each.in)).toHaveLength(3)
    expect(new Set(all.filter((each) => !each.in).map(({ code }) => code))).toEqual(new Set([111]))
  })

  test('keeps its count through the sleep of gateway and limiter', async () => {
    const tenant = await tenantWith(2)
    const gateway = newGateway('sleepy')
    await come(gateway, tenant, 'ana')
    const bob = await come(gateway, tenant, 'bob')
    await putToSleep(limiterOf(tenant))
    await putToSleep(gatewayNamed(env, gateway))
    expect((await come(gateway, tenant, 'cleo')).in).toBe(false)

    bob.line.close()
    await eventually('a free slot', async () => ((await heldOf(tenant)) === 1 ? true : undefined))
    await runDurableObjectAlarm(gatewayNamed(env, gateway))
    expect((await come(gateway, tenant, 'cleo')).in).toBe(true)
  })
})

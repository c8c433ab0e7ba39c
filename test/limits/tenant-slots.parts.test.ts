import { describe, expect, test } from 'vitest'
import { TenantConnectionLimiter } from '../../durable-objects/gateway/connect/tenant-connection-limiter.ts'
import type { Env } from '../../src/env.ts'
import { LeaseAccount } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'
import { newSession } from '../../src/realtime/session.ts'
import { TenantCache, type Admission } from '../../src/tenants/cache.ts'

const slots = (limit: number): Rules => ({
  windows: [{ algorithm: 'concurrency', limit, windowMs: 0, burst: 0 }],
  mode: 'hard',
  version: 1,
})
const ttlMs = 90_000

/** A tenant's limiter and its gateways; what the limiter answers is on its way until `arrive`. */
function tenantOf(limit: number) {
  const ledger = new LeaseAccount(slots(limit))
  let answers: (() => void)[] = []
  const hold = async (_: Rules, holder: string, units: number) => {
    const granted = ledger.hold(holder, units, ttlMs, 0)
    await new Promise<void>((arrived) => answers.push(arrived))
    return granted
  }
  const arrive = async () => {
    for (let turn = 0; turn < 20; turn++) {
      await soon()
      for (const answer of answers) answer()
      answers = []
    }
  }
  const gateway = (name: string) => {
    const kept = new Map<string, unknown>()
    const context = {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it that slots ask for
      env: { RATE_LIMITER: { getByName: () => ({ hold }) } } as unknown as Env,
      name,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a tenant that slots look at
      tenants: new TenantCache(async () => ({ record: { limits: { connectionsTenant: limit } } }) as Admission),
      clock: { now: () => 0 },
    }
    return new TenantConnectionLimiter(context, {
      get: (key) => kept.get(key),
      put: (key, value) => void kept.set(key, value),
    })
  }
  return { gateway, arrive }
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 0))
const someone = (client: string) => ({ ...newSession(client, 0), tenant: 'acme' })

describe('slots at gateways', () => {
  test('a slot that was just given back is not taken here while a connection elsewhere gets it', async () => {
    const { gateway, arrive } = tenantOf(2)
    const [here, there] = [gateway('here'), gateway('there')]
    const [ana, bob] = [someone('ana'), someone('bob')]
    const first = Promise.all([here.take(ana), here.take(bob)])
    await arrive()
    expect(await first).toEqual([true, true])

    here.release(bob)
    await soon()
    const next = Promise.all([there.take(someone('cleo')), here.take(someone('dan'))])
    await arrive()
    expect(await next).toEqual([true, false])
  })
})

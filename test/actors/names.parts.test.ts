import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ownName } from '../../durable-objects/address.ts'
import { limiterName } from '../../src/limits/limiter-names.ts'
import { gatewayName } from '../../src/realtime/gateway-names.ts'

const tenant = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/)
const policy = fc.stringMatching(/^[a-z0-9-]{1,20}$/)
const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 })

test('an actor’s name tells its tenant, whatever stands behind it', () => {
  fc.assert(
    fc.property(tenant, policy, key, (of, by, what) => {
      expect(ownName(limiterName(of, by, what))).toEqual({ tenant: of, name: `${by}:${what}` })
    }),
  )
})

test('no two names of different tenants, policies or keys are the same', () => {
  const named = fc.tuple(tenant, policy, key)
  fc.assert(
    fc.property(named, named, (one, other) => {
      const same = one.every((each, n) => each === other[n])
      expect(limiterName(...one) === limiterName(...other)).toBe(same)
    }),
  )
})

test('a caller always comes to the same gateway of its region, and callers spread evenly', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 1024 }), (caller, perRegion) => {
      const name = gatewayName('weur', caller, perRegion)
      expect(gatewayName('weur', caller, perRegion)).toBe(name)
      expect(Number(name.slice('weur/'.length))).toBeLessThan(perRegion)
    }),
  )
  const callers = new Map<string, number>()
  for (let n = 0; n < 8000; n++) {
    const name = gatewayName('weur', `acme/user-${n}`, 8)
    callers.set(name, (callers.get(name) ?? 0) + 1)
  }
  expect(callers.size).toBe(8)
  for (const count of callers.values()) expect(Math.abs(count - 1000)).toBeLessThan(200)
})

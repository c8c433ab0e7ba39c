import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TenantCache, tenantFreshMs, type Admission } from '../../src/tenants/cache.ts'
import { configuredShard } from '../../src/tenants/shards.ts'
import { placeTenant, reasonNotToMove } from '../../src/tenants/placement.ts'
import { newPlatformSettings, withPlatformLimits } from '../../src/tenants/platform-settings.ts'
import { tenantId, tenantRecord } from '../../src/tenants/record.ts'

const tenants = Array.from({ length: 4000 }, (_, n) => `tenant-${n}`)
const shard = (name: string, weight = 1) => ({ name, weight })

const shares = (shards: readonly { name: string; weight: number }[]) => {
  const counts = new Map<string, number>()
  for (const tenant of tenants) {
    const name = placeTenant(tenant, shards) ?? ''
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return (name: string) => (counts.get(name) ?? 0) / tenants.length
}

describe('placement', () => {
  test('is the same whenever and in whatever order it is asked', () => {
    fc.assert(
      fc.property(fc.string(), fc.shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 4 }), (tenant, names) => {
        expect(
          placeTenant(
            tenant,
            names.map((name) => shard(name)),
          ),
        ).toBe(
          placeTenant(
            tenant,
            ['a', 'b', 'c', 'd'].map((name) => shard(name)),
          ),
        )
      }),
    )
  })

  test('spreads tenants by weight', () => {
    const share = shares([shard('a'), shard('b', 2), shard('c')])
    expect(share('a')).toBeGreaterThan(0.21)
    expect(share('a')).toBeLessThan(0.29)
    expect(share('b')).toBeGreaterThan(0.46)
    expect(share('b')).toBeLessThan(0.54)
  })

  test('with another shard changes only for those who go there', () => {
    const before = [shard('a'), shard('b')]
    const after = [...before, shard('c')]
    const moved = tenants.filter((tenant) => placeTenant(tenant, before) !== placeTenant(tenant, after))
    expect(moved.every((tenant) => placeTenant(tenant, after) === 'c')).toBe(true)
    expect(moved.length / tenants.length).toBeGreaterThan(0.25)
    expect(moved.length / tenants.length).toBeLessThan(0.42)
  })

  test('is undefined where there is no shard', () => {
    expect(placeTenant('acme', [])).toBeUndefined()
  })
})

test('a tenant’s id is a DNS label, so that it needs no escaping anywhere', () => {
  for (const good of ['a', 'acme', 'acme-2', 'x'.repeat(63)]) expect(tenantId.safeParse(good).success).toBe(true)
  for (const bad of ['', '-a', 'a-', 'A', 'a/b', 'a,b', 'a_b', 'ä', 'x'.repeat(64)])
    expect(tenantId.safeParse(bad).success).toBe(false)
})

test('a plan that does not exist gives nothing, also one named like a property of every object', () => {
  const stored = (plan: string) =>
    tenantRecord.parse({
      id: 'a',
      name: 'A',
      state: 'active',
      placement: { shard: 'a', epoch: 1 },
      keys: [],
      limits: {},
      plan,
      version: 1,
    })
  for (const plan of ['constructor', 'never']) {
    const { limits, shared } = withPlatformLimits(stored(plan), newPlatformSettings)
    expect([limits, shared]).toEqual([
      withPlatformLimits(stored('default'), newPlatformSettings).limits,
      { plan: {}, system: {}, version: 0 },
    ])
  }
})

describe('the cache', () => {
  const someone: Admission = {
    record: withPlatformLimits(
      tenantRecord.parse({
        id: 'acme',
        name: 'Acme',
        state: 'active',
        placement: { shard: 'a', epoch: 1 },
        keys: [],
        limits: {},
        version: 1,
      }),
      newPlatformSettings,
    ),
    secrets: { tokenKeys: [] },
  }

  test('asks once for as long as it believes, and again after that', async () => {
    let asked = 0
    const cache = new TenantCache(async () => (asked++, someone))
    await Promise.all([cache.get('acme', 0), cache.get('acme', 0), cache.get('acme', tenantFreshMs - 1)])
    expect(asked).toBe(1)
    await cache.get('acme', tenantFreshMs)
    expect(asked).toBe(2)
  })

  test('does not remember what is no tenant, of which there is no end', async () => {
    let asked = 0
    const cache = new TenantCache(async () => void asked++)
    for (let n = 0; n < 2; n++) expect(await cache.get('nobody', n)).toBeUndefined()
    expect(asked).toBe(2)
  })

  test('does not remember that it could not ask', async () => {
    let up = false
    const cache = new TenantCache(async () => {
      if (!up) throw new Error('away')
      return someone
    })
    await expect(cache.get('acme', 0)).rejects.toThrow('away')
    up = true
    expect(await cache.get('acme', 1)).toBe(someone)
  })
})

describe('a move to a shard', () => {
  const shard = (name: string, more: object = {}) => ({ ...configuredShard({ name, weight: 1 }), ...more })
  const shards = [
    shard('here'),
    shard('there'),
    shard('european', { jurisdiction: 'eu' }),
    shard('full', { state: 'draining' }),
    shard('frozen', { state: 'read-only' }),
  ]
  test.each([
    ['acme', 'here', 'there', undefined],
    ['acme', 'full', 'there', undefined],
    ['acme.eu', 'here', 'european', undefined],
    ['acme', 'here', 'here', 'the tenant is on "here" already'],
    ['acme', 'here', 'nowhere', 'no shard "nowhere" is registered'],
    ['acme', 'here', 'full', '"full" is draining'],
    ['acme', 'here', 'frozen', '"frozen" is read-only'],
    ['acme', 'frozen', 'there', 'make it draining'],
    ['acme', 'here', 'european', 'the jurisdiction "eu", the tenant no jurisdiction'],
    ['acme.us', 'here', 'european', 'the tenant the jurisdiction "us"'],
    ['acme.eu', 'here', 'there', 'a tenant stays in its jurisdiction'],
  ])('of %s from %s to %s is refused with the reason: %s', (id, from, to, reason) => {
    const refused = reasonNotToMove({ id, placement: { shard: from } }, to, shards)
    if (reason === undefined) expect(refused).toBeUndefined()
    else expect(refused).toContain(reason)
  })
})

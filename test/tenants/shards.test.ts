import { describe, expect, test } from 'vitest'
import { shardsFor, placeTenant } from '../../src/tenants/placement.ts'
import { EpochLog, EpochView } from '../../src/cache/epochs.ts'
import { ShardCache, shardsFreshMs, shardsTag, type ShardRegistry } from '../../src/tenants/shard-cache.ts'
import { isSameDatabase, withConfigured, type ShardList, type StoredShard } from '../../src/tenants/shards.ts'

const shard = (name: string, more: Partial<StoredShard> = {}): StoredShard => ({
  name,
  connection: { kind: 'secret', variable: 'DATABASE_URL_X' },
  weight: 1,
  state: 'active',
  ...more,
})
const names = (shards: readonly StoredShard[]) => shards.map(({ name }) => name)

describe('a new tenant', () => {
  test('is placed on active shards only', () => {
    const shards = [shard('a', { state: 'draining' }), shard('b', { state: 'read-only' }), shard('c')]
    expect(names(shardsFor({}, shards))).toEqual(['c'])
  })

  test('of a jurisdiction is placed on shards of it only, and other tenants are never placed there', () => {
    const shards = [shard('a'), shard('eu', { jurisdiction: 'eu' }), shard('us', { jurisdiction: 'us' })]
    expect(names(shardsFor({ jurisdiction: 'eu' }, shards))).toEqual(['eu'])
    expect(names(shardsFor({}, shards))).toEqual(['a'])
    expect(shardsFor({ jurisdiction: 'fedramp' }, shards)).toEqual([])
  })

  test('of a region prefers shards of it, and takes another one where there is none', () => {
    const shards = [shard('a'), shard('w', { region: 'weur' }), shard('o', { region: 'oc', state: 'draining' })]
    expect(names(shardsFor({ region: 'weur' }, shards))).toEqual(['w'])
    expect(names(shardsFor({ region: 'oc' }, shards))).toEqual(['a', 'w'])
  })

  test('goes where it went before shards had states', () => {
    const before = [
      { name: 'shard0', weight: 1 },
      { name: 'shard1', weight: 1 },
    ]
    for (let n = 0; n < 100; n++)
      expect(placeTenant(`t${n}`, shardsFor({}, withConfigured([], before)))).toBe(placeTenant(`t${n}`, before))
  })
})

test('a registered shard replaces the configured one of its name, and the others stay', () => {
  const all = withConfigured(
    [shard('shard0', { state: 'draining' }), shard('eu2')],
    [
      { name: 'shard0', weight: 1 },
      { name: 'shard1', weight: 2 },
    ],
  )
  expect(all.map(({ name, state, weight }) => [name, state, weight])).toEqual([
    ['shard1', 'active', 2],
    ['shard0', 'draining', 1],
    ['eu2', 'active', 1],
  ])
  expect(all[0]?.connection).toEqual({ kind: 'secret', variable: 'DATABASE_URL_SHARD1' })
})

test('two connection strings are one database whatever user, port by default or pooler they name', () => {
  const at = 'postgresql://a:b@ep-x.eu.neon.tech/parley'
  expect(isSameDatabase(at, 'postgres://c:d@ep-x-pooler.eu.neon.tech:5432/parley?sslmode=require')).toBe(true)
  expect(isSameDatabase(at, 'postgres://a:b@ep-x.eu.neon.tech/other')).toBe(false)
  expect(isSameDatabase(at, 'postgres://a:b@ep-y.eu.neon.tech/parley')).toBe(false)
})

describe('the knowledge of an isolate about the shards', () => {
  /** A platform's actor that counts how often it is read. */
  class Platform implements ShardRegistry {
    list: ShardList = { version: 1, shards: [shard('a')], schemas: {}, replicas: {} }
    reads = 0
    isAway = false
    async shards() {
      this.reads++
      if (this.isAway) throw new Error('away')
      return this.list
    }
    async noteShardSchema() {}
    register(name: string) {
      this.list = { ...this.list, version: this.list.version + 1, shards: [...this.list.shards, shard(name)] }
      return this.list.version
    }
  }
  const configured = [{ name: 'shard0', weight: 1 }]

  test('is read in one call for all shards, and again after ten seconds', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    for (const name of ['a', 'shard0', 'a'])
      expect((await cache.find(name, platform, configured, 0)).shard?.name).toBe(name)
    await cache.all(platform, configured, shardsFreshMs - 1)
    expect(platform.reads).toBe(1)
    await cache.all(platform, configured, shardsFreshMs)
    expect(platform.reads).toBe(2)
  })

  test('includes a shard that was registered at another isolate, from the first use of its name', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    await cache.all(platform, configured, 0)
    platform.register('b')
    expect((await cache.find('b', platform, configured, 1500)).shard?.name).toBe('b')
  })

  test('is read at most once a second for names that do not exist', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    for (let now = 0; now < 5000; now += 10)
      expect((await cache.find('never', platform, configured, now)).shard).toBeUndefined()
    expect(platform.reads).toBeLessThanOrEqual(5)
  })

  test('is read again at once when the clock was set back, also where that fails at first', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    await cache.all(platform, configured, 100_000)
    await cache.all(platform, configured, 99_500)
    expect(platform.reads).toBe(1)
    platform.isAway = true
    await cache.all(platform, configured, 30_000)
    platform.isAway = false
    platform.register('b')
    expect(names((await cache.all(platform, configured, 33_000)).shards)).toContain('b')
    expect(platform.reads).toBe(3)
  })

  test('is the last list while the platform is away, and the configured shards where there was none', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    await cache.all(platform, configured, 0)
    platform.isAway = true
    expect((await cache.find('a', platform, configured, 60_000)).shard?.name).toBe('a')
    const empty = await new ShardCache().all(platform, configured, 0)
    expect([names(empty.shards), empty.isWhole]).toEqual([['shard0'], false])
  })

  test('is read again within a second after it was invalidated at another isolate, and not before', async () => {
    const log = new EpochLog('log')
    const isolate = () => {
      const view = new EpochView()
      return new ShardCache({
        refresh: async (now) => {
          if (!view.isFresh(now)) view.note(log.since(view.stamp()), now)
          return true
        },
        mark: () => view.stamp(),
        isInvalidated: (mark, tag) => view.isInvalidated(mark, [tag]),
      })
    }
    const [platform, cache] = [new Platform(), isolate()]
    await cache.all(platform, configured, 0)
    await cache.all(platform, configured, 5000)
    const reads = platform.reads
    for (let now = 5000; now < 6000; now += 100) await cache.all(platform, configured, now)
    expect(platform.reads).toBe(reads)
    platform.register('b')
    log.invalidate([shardsTag], 6000)
    expect(names((await cache.all(platform, configured, 7000)).shards)).toContain('b')
    expect(platform.reads).toBe(reads + 1)
  })

  test('is read again after a second while it is not known whether it was invalidated', async () => {
    const never = { refresh: async () => false, mark: () => undefined, isInvalidated: () => false }
    const [platform, cache] = [new Platform(), new ShardCache(never)]
    await cache.all(platform, configured, 0)
    await cache.all(platform, configured, 999)
    expect(platform.reads).toBe(1)
    await cache.all(platform, configured, 1000)
    expect(platform.reads).toBe(2)
  })

  test('is never an answer that was made before a change of its own, however late the answer arrives', async () => {
    const [platform, cache] = [new Platform(), new ShardCache()]
    const { promise, resolve } = Promise.withResolvers<ShardList>()
    const slow = cache.all({ shards: () => promise, noteShardSchema: async () => {} }, configured, 0)
    const old = platform.list
    cache.changed(platform.register('b'))
    expect(names((await cache.all(platform, configured, 1)).shards)).toContain('b')
    resolve(old)
    await slow
    expect(names((await cache.all(platform, configured, 2)).shards)).toContain('b')
  })
})

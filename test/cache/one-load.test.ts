import { expect, test } from 'vitest'
import { Cache, type CachePorts } from '../../src/cache/cache.ts'
import { EpochView } from '../../src/cache/epochs.ts'
import { usual } from '../../src/cache/options.ts'

const options = {
  ...usual,
  name: 'page',
  tags: () => [],
  ttlMs: 1000,
  staleMs: 0,
  beta: 0,
  jitter: 0,
  shared: { encode: (text: string) => text, decode: (text: string) => text },
}

/** Each call of a process to another takes a turn or two of the event loop, in an order that differs between processes. */
const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((settle) => setImmediate(settle))
}

/** Processes before one Redis and one owner, which reads from Postgres. */
function deployment(processes: number) {
  let now = 0
  let loads = 0
  const redis = new Map<string, string>()
  const portsOf = (hops: number): CachePorts => ({
    now: () => now,
    random: () => 0,
    epochs: new EpochView(),
    askEpochs: async () => undefined,
    shared: {
      get: async (key) => (await turns(hops), redis.get(key)),
      set: async (key, text) => (await turns(hops), void redis.set(key, text)),
    },
    background: (work) => void work,
  })
  const owner = new Cache<string>({ ...options, ttlMs: 500 })
  const fromPostgres = async () => {
    const load = ++loads
    await turns(5)
    return `load ${load}`
  }
  const holders = Array.from({ length: processes }, (_, n) => {
    const hops = 1 + (n % 7)
    const [cache, ports] = [new Cache<string>(options), portsOf(hops)]
    const askOwner = async () => {
      await turns(hops)
      return await owner.read('key', fromPostgres, { ...portsOf(0), shared: undefined })
    }
    return { read: () => cache.read('key', askOwner, ports), cache }
  })
  return { holders, pass: (ms: number) => (now += ms), loads: () => loads }
}

test('many concurrent readers of one expired key, in 64 processes, cause one load by its owner', async () => {
  const { holders, pass, loads } = deployment(64)
  const all = () => Promise.all(holders.flatMap(({ read }) => Array.from({ length: 100 }, read)))
  expect(new Set(await all())).toEqual(new Set(['load 1']))
  pass(2000)
  expect(new Set(await all())).toEqual(new Set(['load 2']))
  expect(loads()).toBe(2)
  for (const { cache } of holders) expect(cache.figures.failures).toBe(0)
})

test('a load that fails is not shared for long: the next reader loads', async () => {
  const cache = new Cache<string>(options)
  let isAway = true
  const load = async () => {
    await turns(1)
    if (isAway) throw new Error('away')
    return 'here'
  }
  const ports: CachePorts = {
    now: () => 0,
    random: () => 0,
    epochs: new EpochView(),
    askEpochs: async () => undefined,
    background: () => undefined,
  }
  await expect(cache.read('key', load, ports)).rejects.toThrow('away')
  isAway = false
  expect(await cache.read('key', load, ports)).toBe('here')
})

test('a reader does not wait for ever for a load whose request was cancelled', async () => {
  const cache = new Cache<string>({ ...options, waitMs: 20 })
  const ports: CachePorts = {
    now: () => 0,
    random: () => 0,
    epochs: new EpochView(),
    askEpochs: async () => undefined,
    background: () => undefined,
  }
  void cache.read('key', () => new Promise<never>(() => undefined), ports)
  expect(await cache.read('key', async () => 'loaded', ports)).toBe('loaded')
})

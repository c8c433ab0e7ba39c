import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect } from '../../src/adapters/neon/connect.ts'
import { publish, deleteDeadRuns, readDeadRuns } from '../../src/adapters/qstash/client.ts'
import { openCache } from '../../src/adapters/upstash/cache.ts'
import { loadConfig } from '../../src/config.ts'

const vars = {
  DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
  UPSTASH_REDIS_REST_URL: 'http://redis.test',
  UPSTASH_REDIS_REST_TOKEN: 'token',
  QSTASH_TOKEN: 'token',
  QSTASH_CURRENT_SIGNING_KEY: 'current',
  QSTASH_NEXT_SIGNING_KEY: 'next',
}
const config = loadConfig(vars)

/** The longest that any outside call may take. */
const longestMs = 30_000

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  vi.stubGlobal('fetch', (_: string, init?: RequestInit) => {
    const { promise, reject } = Promise.withResolvers<never>()
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
    return promise
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const run = { tenant: 't', queue: 'q', run: 'r', at: 0 }

const calls: readonly (readonly [service: string, call: () => Promise<unknown>])[] = [
  ['a query to Postgres', () => connect(config, config.directoryUrl).query('SELECT 1')],
  ['a transaction at Postgres', () => connect(config, config.directoryUrl).transaction((sql) => [sql`SELECT 1`])],
  ['reading from Redis', () => openCache(config).get('key')],
  ['writing to Redis', () => openCache(config).set('key', 'text', 10)],
  ['deleting at Redis', () => openCache(config).delete('key')],
  ['publishing at QStash', () => publish(config, [run])],
  ['reading the dead letters of QStash', () => readDeadRuns(config)],
  ['deleting dead letters at QStash', () => deleteDeadRuns(config, ['1'])],
]

test.each(calls)('%s ends by its deadline when no answer comes', async (_, call) => {
  let ended = false
  void call().then(
    () => (ended = true),
    () => (ended = true),
  )
  await vi.advanceTimersByTimeAsync(longestMs)
  expect(ended).toBe(true)
})

const answers: Readonly<Record<string, unknown>> = {
  'a query to Postgres': { rows: [], fields: [], rowCount: 0, command: 'SELECT' },
  'a transaction at Postgres': { results: [{ rows: [], fields: [], rowCount: 0, command: 'SELECT' }] },
  'publishing at QStash': [{ messageId: 'm' }],
  'reading the dead letters of QStash': { messages: [] },
  'deleting dead letters at QStash': { deleted: 1 },
}

test.each(calls)('%s leaves no timer behind once it is answered: a timer keeps its actor awake', async (name, call) => {
  // By then the cache is asked again after the failures of the tests before.
  vi.setSystemTime(Date.now() + 60_000)
  const asked = vi.fn(async () => Response.json(answers[name] ?? { result: null }))
  vi.stubGlobal('fetch', asked)
  await call()
  expect(asked).toHaveBeenCalledOnce()
  expect(vi.getTimerCount()).toBe(0)
})

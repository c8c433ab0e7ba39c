import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Publication } from '../../src/protocol/replies.ts'
import type { Placement } from '../../src/tenants/record.ts'
import { HeldRedis } from '../support/held-redis.ts'

/** The module under test; its types exist on workerd only. */
interface Adapter {
  readonly coldHistory: (
    env: object,
    ports: {
      readonly tenant: string
      readonly placement: () => Promise<Placement>
      readonly readPage: () => Promise<string>
    },
  ) => {
    readonly read: (
      conversation: string,
      epoch: string,
      range: { readonly first: number; readonly last: number; readonly revision: number; readonly upTo: number },
    ) => Promise<Publication[]>
  }
}

const page = Array.from({ length: 100 }, (_, n) => `${n + 1}\t"alice"\t""\t{"type":"message","text":"t"}`).join('\n')
const stored = (text: string) => `${JSON.stringify({ until: Date.now() + 60_000, took: 1 })}\n${text}`

let redis: HeldRedis
beforeEach(() => {
  redis = new HeldRedis()
  vi.stubGlobal('fetch', redis.fetch)
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

test.each([
  ['text that is no value of a cache', async () => '<html>502 Bad Gateway</html>'],
  ['a value that is no page', async () => stored('<html>')],
  ['a page that was cut in the middle of an entry', async () => stored(page.slice(0, 4000))],
  ['a page with an entry of another form', async () => stored(page.replace('"alice"', 'alice'))],
  ['numbers', async () => 7],
  [
    'an error',
    async (): Promise<never> => {
      throw new TypeError('connection reset')
    },
  ],
])('an old page is read from its shard, whole, while Redis answers with %s', async (_, fault) => {
  vi.resetModules()
  const { coldHistory } = await vi.importActual<Adapter>('../../src/adapters/cold-history.ts')
  redis.fault = async (name, value) => (name === 'GET' ? await fault() : value)
  const { history, loads } = reading(coldHistory, 'lunch')
  const read = await history()
  expect(read.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_entry, n) => n + 1))
  expect(read.every(({ data }) => data === '{"type":"message","text":"t"}')).toBe(true)
  expect(loads()).toBe(1)
})
test('a page that Redis has with an entry of another form is replaced there', async () => {
  const { coldHistory } = await vi.importActual<Adapter>('../../src/adapters/cold-history.ts')
  const { history, loads } = reading(coldHistory, 'dinner')
  await history()
  await redis.quiet()
  for (const key of redis.values.keys()) redis.values.set(key, stored(page.replace('"alice"', 'alice')))
  for (let reads = 0; reads < 3; reads++) {
    expect(await history()).toHaveLength(100)
    await redis.quiet()
  }
  expect(loads()).toBe(2)
})

/** Reads the first page of a conversation, and counts how often its shard was asked. */
function reading(coldHistory: Adapter['coldHistory'], conversation: string) {
  const env = {
    ...redis.vars,
    ENVIRONMENT: 'local',
    PAGE_MEMORY: 'off',
    DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
    DATABASE_URL_SHARD0: 'postgresql://app:secret@shards.test/shard0',
    SHARDS: 'shard0',
  }
  let loads = 0
  const cold = coldHistory(env, {
    tenant: 'acme',
    placement: async () => ({ shard: 'shard0', epoch: 1 }),
    readPage: async () => (loads++, page),
  })
  return {
    history: () => cold.read(conversation, 'epoch', { first: 1, last: 100, revision: 0, upTo: 100 }),
    loads: () => loads,
  }
}

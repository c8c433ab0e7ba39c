import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LogOf, PageOf } from '../../src/events/log-of.ts'
import { Scrolls } from '../../src/history/read-ahead.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery } from '../../src/protocol/stream.ts'
import { HeldRedis } from '../support/held-redis.ts'

/** Work behind answers. */
const background: Promise<unknown>[] = []
// It goes on by a module that exists on workerd only.
vi.mock('cloudflare:workers', () => ({ waitUntil: (work: Promise<unknown>) => void background.push(work) }))

/** The module under test; its types exist on workerd only. */
interface Adapter {
  readonly aheadFigures: Readonly<Record<string, number>>
  readonly readHistory: (
    env: object,
    of: { readonly tenant: string; readonly conversation: string },
    query: HistoryQuery,
    ports: object,
  ) => Promise<HistoryAnswer & { readonly publications: readonly Publication[] }>
}

const top = 1000
const lineOf = (seq: number) => `${seq}\t"alice"\t""\t{"type":"message","text":"t"}`
const textOf = (page: number) => Array.from({ length: 100 }, (_, n) => lineOf(page * 100 + n + 1)).join('\n')

let redis: HeldRedis
beforeEach(() => {
  redis = new HeldRedis()
  vi.stubGlobal('fetch', redis.fetch)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** A reader that pages backwards through a conversation whose entries are all in Postgres. */
class Reader {
  readonly #adapter: Adapter
  readonly #conversation: string
  readonly #name: string
  readonly loads: number[]
  budget = 1000

  constructor(adapter: Adapter, conversation: string, name = 'user bob', loads: number[] = []) {
    this.#adapter = adapter
    this.#conversation = conversation
    this.#name = name
    this.loads = loads
  }

  /** Reads `limit` entries before `before`; returns the pages that were loaded while it waited. */
  async read(before: number, limit: number, reverse = true): Promise<number[]> {
    const range = reverse
      ? { first: Math.max(1, before - limit), last: before - 1 }
      : { first: before, last: before + limit - 1 }
    const env = {
      ...redis.vars,
      ENVIRONMENT: 'local',
      DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
      DATABASE_URL_SHARD0: 'postgresql://app:secret@shards.test/shard0',
      SHARDS: 'shard0',
    }
    const missing = {
      ...range,
      revision: 0,
      upTo: top,
      times: { from: 1, to: 2 },
      written: { shard: 'shard0', epoch: 1 },
    }
    const known = this.loads.length
    let isAnswered = false
    const waitedFor: number[] = []
    const answer = await this.#adapter.readHistory(
      env,
      { tenant: 'acme', conversation: this.#conversation },
      { limit, reverse },
      {
        history: async () => ({ kind: 'page', publications: [], amendments: [], epoch: 'e', top, missing }),
        placement: async () => ({ shard: 'shard0', epoch: 1 }),
        readPage: async (_shard: string, _log: LogOf, { page, isAhead = false }: PageOf) => {
          this.loads.push(page)
          if (!isAhead && !isAnswered) waitedFor.push(page)
          return textOf(page)
        },
        ahead: { reader: this.#name, pay: () => this.budget-- > 0 },
      },
    )
    isAnswered = true
    expect(answer.publications).toHaveLength(range.last - range.first + 1)
    await Promise.all(background.splice(0))
    expect(this.loads.length).toBeGreaterThanOrEqual(known)
    return waitedFor
  }

  /** Reads down to the first entry; returns how many pages each request waited for. */
  async scroll(limit: number): Promise<number[]> {
    const waits: number[] = []
    for (let before = top + 1; before > 1; before -= limit) waits.push((await this.read(before, limit)).length)
    return waits
  }
}

const adapter = async (): Promise<Adapter> => {
  vi.resetModules()
  return await vi.importActual<Adapter>('../../src/adapters/cold-history.ts')
}

describe('a reader that pages backwards through old history', () => {
  test('a scroll of ten pages makes ten loads, and waits for none from the third page on', async () => {
    const reader = new Reader(await adapter(), 'lunch')
    expect(await reader.scroll(100)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(reader.loads).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
  })

  test.each([50, 20, 70, 150, 300])(
    'a scroll by %d entries loads each page once, and waits for none from the third request on',
    async (limit) => {
      const reader = new Reader(await adapter(), `by-${limit}`)
      const waits = await reader.scroll(limit)
      if (limit <= 100) expect(waits.slice(2).every((pages) => pages === 0)).toBe(true)
      expect(reader.loads.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    },
  )

  test('one that reads a single page causes no load ahead, nor do several that read one each', async () => {
    const module = await adapter()
    const loads: number[] = []
    for (const name of ['user bob', 'user carol', 'key k1'])
      await new Reader(module, 'dinner', name, loads).read(901, 100)
    expect(loads).toEqual([8])
  })

  test('pages that do not follow each other, and pages read forwards, cause no load ahead', async () => {
    const reader = new Reader(await adapter(), 'jumps')
    for (const before of [901, 501, 701]) await reader.read(before, 100)
    for (const first of [1, 101, 201]) await reader.read(first, 100, false)
    expect(reader.loads).toEqual([8, 4, 6, 0, 1, 2])
  })

  test('a page ahead that the limits do not pay for is not loaded', async () => {
    const module = await adapter()
    const reader = new Reader(module, 'poor')
    reader.budget = 1
    await reader.read(901, 100)
    await reader.read(801, 100)
    await reader.read(701, 100)
    await reader.read(601, 100)
    expect(reader.loads).toEqual([8, 7, 6, 5])
    expect(module.aheadFigures).toMatchObject({ loaded: 1, refused: 2 })
  })
})

test('a reader that comes back after a minute begins anew', () => {
  const scrolls = new Scrolls()
  expect(scrolls.next('bob', { first: 901, last: 1000 }, 0)).toBeUndefined()
  expect(scrolls.next('bob', { first: 801, last: 900 }, 60_001)).toBeUndefined()
  expect(scrolls.next('bob', { first: 701, last: 800 }, 60_002)).toBe(6)
})

import { Cache, sharedKey } from '../cache/cache.ts'
import { usual } from '../cache/options.ts'
import type { Env } from '../env.ts'
import type { LogOf, PageOf } from '../events/log-of.ts'
import { coldPageSize, completePage, pagesOf, type ColdRange, type SeqRange } from '../history/page.ts'
import { countEntries, decodePage } from '../history/page-text.ts'
import type { Publication } from '../protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery } from '../protocol/stream.ts'
import type { Placement } from '../tenants/record.ts'
import { untaggedPorts } from './cache-ports.ts'
import { fromDependency, requestDeadlineMs } from './dependency.ts'

/** Entries that only Postgres still holds. */
export interface ColdHistory {
  /** Entries `first`…`last`, ascending. Throws a DependencyError when Postgres does not answer in time and the cache does not have them. */
  read(conversation: string, epoch: string, range: ColdRange): Promise<Publication[]>
}

/** How long a cache holds a page of history at most. */
export const cachedMs = 3_600_000

/** Full pages: such a page never changes, except that texts are deleted from it, which gives it another revision. */
const pages = new Cache<string>({
  ...usual,
  name: 'history',
  tags: () => [],
  ttlMs: cachedMs,
  staleMs: 0,
  maxBytes: 16_000_000,
  waitMs: requestDeadlineMs,
  sizeOf: (page) => 2 * page.length,
  isKept: (page) => countEntries(page) === coldPageSize,
  shared: { encode: (page) => page, decode: (text) => (decodePage(text, noEntries) === undefined ? undefined : text) },
})

/** The cache of pages, for metrics. */
export const historyCache: Pick<Cache<never>, 'figures' | 'held'> & { readonly options: { readonly name: string } } =
  pages

/** With this range a page is checked and nothing of it is read. */
const noEntries: SeqRange = { first: 1, last: 0 }

const keyOf = ({ tenant, conversation, epoch }: LogOf, { page, revision }: PageOf): string =>
  `${tenant}:${conversation}:${epoch}:${revision}:${page}`

/** Key of a full page in the shared tier. */
export const pageKey = (log: LogOf, page: PageOf): string => sharedKey(pages.options, keyOf(log, page))

/** Cold history of one tenant: full pages of a hundred come from a cache while it has them, else from the tenant's shard. */
export function coldHistory(
  env: Env,
  { tenant, placement, readPage }: Pick<HistoryPorts, 'placement' | 'readPage'> & { readonly tenant: string },
): ColdHistory {
  return {
    async read(conversation, epoch, range) {
      const log = { tenant, conversation, epoch }
      const ports = untaggedPorts(env)
      // Of a range without one it is not known which pages are old: they are read from Postgres.
      const { revision = -1 } = range
      const read = async (page: number): Promise<Publication[]> => {
        const load = async () => {
          const placed = await placement()
          if (placed === undefined) return ''
          return await fromDependency(placed.shard, () => readPage(placed.shard, log, { page, revision }), env.request)
        }
        const isNamed = range.revision !== undefined
        const text = (isNamed ? await pages.read(keyOf(log, { page, revision }), load, ports) : await load()) ?? ''
        const entries = decodePage(text, range)
        if (entries === undefined) throw new Error(`page ${page} of ${conversation} is no page of history`)
        return entries
      }
      return (await Promise.all(pagesOf(range).map(read))).flat()
    },
  }
}

/** The actors that a page of history is read with. */
export interface HistoryPorts {
  history(query: HistoryQuery): Promise<HistoryAnswer>
  /** Where the tenant's rows are stored. */
  placement(): Promise<Placement | undefined>
  /** A page of a log as its shard has it. */
  readPage(shard: string, log: LogOf, page: PageOf): Promise<string>
}

/**
 * A page of a conversation's log, complete: entries that the conversation no longer holds are read from the cache or
 * Postgres here, so that the conversation never waits for them.
 */
export async function readHistory(
  env: Env,
  { tenant, conversation }: { readonly tenant: string; readonly conversation: string },
  query: HistoryQuery,
  ports: HistoryPorts,
): Promise<HistoryAnswer> {
  const page = await ports.history(query)
  if (page.kind === 'refused') return page
  const cold = coldHistory(env, { tenant, ...ports })
  const publications = await completePage(page, query.reverse, (range) => cold.read(conversation, page.epoch, range))
  return { ...page, publications }
}

import { Cache, sharedKey } from '../cache/cache.ts'
import { usual } from '../cache/options.ts'
import type { Env } from '../env.ts'
import type { ColdRange, LogOf, PageOf, SeqRange } from '../events/log-of.ts'
import { coldPageSize, completePage, pagesOf } from '../history/page.ts'
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
      const { revision = -1, written, times, upTo = 0 } = range
      const isNamed = range.revision !== undefined
      const ask = async (shard: string, page: PageOf) =>
        await fromDependency(shard, () => readPage(shard, log, page), env.request)
      /** From the shard where the log was written last. Where the tenant is no longer there, the tenant says where it is. */
      const load = async (page: PageOf): Promise<string> => {
        const text =
          written === undefined
            ? null
            : await ask(written.shard, {
                ...page,
                placementEpoch: written.epoch,
                ...(written.position === undefined ? {} : { position: written.position }),
              })
        if (text !== null) return text
        const placed = await placement()
        return placed === undefined ? '' : ((await ask(placed.shard, page)) ?? '')
      }
      const read = async (number: number): Promise<Publication[]> => {
        const entries = Math.max(0, Math.min((number + 1) * coldPageSize, upTo) - number * coldPageSize)
        const page = { page: number, revision, entries, ...(times === undefined ? {} : { times }) }
        let isOwn = false
        const loadOwn = async () => {
          isOwn = true
          return await load(page)
        }
        let text = (isNamed ? await pages.read(keyOf(log, page), loadOwn, ports) : await loadOwn()) ?? ''
        // It was read for another reader, before all was written that this one knows of.
        if (!isOwn && countEntries(text) < entries) text = await load(page)
        const found =
          decodePage(text, range) ??
          // What a cache gave is no page, or a part of it is none: it is replaced there.
          (isOwn ? undefined : decodePage((await pages.refresh(keyOf(log, page), loadOwn, ports)) ?? '', range))
        if (found === undefined) throw new Error(`page ${number} of ${conversation} is no page of history`)
        return found
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
  /** A page of a log as its shard has it; null when the tenant's placement there is not the one of `page`. */
  readPage(shard: string, log: LogOf, page: PageOf): Promise<string | null>
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

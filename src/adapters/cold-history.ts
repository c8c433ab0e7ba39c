import { Cache, sharedKey } from '../cache/cache.ts'
import { usual } from '../cache/options.ts'
import type { Env } from '../env.ts'
import type { ColdRange, LogOf, PageOf, WrittenAt } from '../events/log-of.ts'
import { coldPageSize, completePage, pagesOf } from '../history/page.ts'
import { countEntries, decodePage } from '../history/page-text.ts'
import { Scrolls, type AheadResult } from '../history/read-ahead.ts'
import type { Publication } from '../protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery } from '../protocol/stream.ts'
import type { Placement } from '../tenants/record.ts'
import { untaggedPorts } from './cache-ports.ts'
import { redis } from './dependencies.ts'
import { breakerStateHere, fromDependency, requestDeadlineMs } from './dependency.ts'

/** Entries that only Postgres still holds. */
export interface ColdHistory {
  /** Puts page `number` into the cache, when its reader pays for it and no breaker is open. Never rejects. */
  readAhead(conversation: string, epoch: string, range: ColdRange, number: number, pay: Ahead['pay']): Promise<void>
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
  // What is no page is found when entries are read from it.
  shared: { encode: (page) => page, decode: (text) => text },
})

/** The cache of pages, for metrics. */
export const historyCache: Pick<Cache<never>, 'figures' | 'held'> & { readonly options: { readonly name: string } } =
  pages

const scrolls = new Scrolls()
const ahead: Record<AheadResult, number> = { loaded: 0, cached: 0, refused: 0, breaker: 0, failed: 0 }

/** What became of pages that were to be read ahead, since this process started. */
export const aheadFigures: Readonly<Record<AheadResult, number>> = ahead

const keyOf = ({ tenant, conversation, epoch }: LogOf, { page, revision }: PageOf): string =>
  `${tenant}:${conversation}:${epoch}:${revision}:${page}`

/** Key of a full page in the shared tier. */
export const pageKey = (log: LogOf, page: PageOf): string => sharedKey(pages.options, keyOf(log, page))

/** Cold history of one tenant: full pages of a hundred come from a cache while it has them, else from the tenant's shard. */
export function coldHistory(
  env: Env,
  { tenant, placement, readPage }: Pick<HistoryPorts, 'placement' | 'readPage'> & { readonly tenant: string },
): ColdHistory {
  /** A page from the shard where the log was written last. Where the tenant is no longer there, the tenant says where it is. */
  const load = async (log: LogOf, written: WrittenAt | undefined, page: PageOf): Promise<string> => {
    const ask = async (shard: string, asked: PageOf) =>
      await fromDependency(shard, () => readPage(shard, log, asked), env.request)
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
  return {
    async readAhead(conversation, epoch, { revision, written, times, upTo = 0 }, number, pay) {
      // Of a range without a revision it is not known which pages are old.
      if (revision === undefined || (number + 1) * coldPageSize > upTo) return
      const log = { tenant, conversation, epoch }
      // No entry of an older page is newer than those of this one.
      const older = times === undefined ? {} : { times: { from: 0, to: times.to } }
      const page = { page: number, revision, entries: coldPageSize, isAhead: true, ...older } as const
      const ports = untaggedPorts(env)
      let result: AheadResult = 'cached'
      try {
        if (pages.peek(keyOf(log, page), ports.epochs, ports.now()) === undefined) {
          if (breakerStateHere(redis) !== 'closed') result = 'breaker'
          else if (!(await pay())) result = 'refused'
          else
            await pages.read(
              keyOf(log, page),
              async () => {
                const text = await load(log, written, page)
                result = text === '' ? 'breaker' : 'loaded'
                return text
              },
              ports,
            )
        }
      } catch {
        result = 'failed'
      }
      ahead[result]++
    },

    async read(conversation, epoch, range) {
      const log = { tenant, conversation, epoch }
      const ports = untaggedPorts(env)
      // Of a range without one it is not known which pages are old: they are read from Postgres.
      const { revision = -1, written, times, upTo = 0 } = range
      const isNamed = range.revision !== undefined
      const read = async (number: number): Promise<Publication[]> => {
        const entries = Math.max(0, Math.min((number + 1) * coldPageSize, upTo) - number * coldPageSize)
        const page = { page: number, revision, entries, ...(times === undefined ? {} : { times }) }
        let isOwn = false
        const loadOwn = async () => {
          isOwn = true
          return await load(log, written, page)
        }
        let text = (isNamed ? await pages.read(keyOf(log, page), loadOwn, ports) : await loadOwn()) ?? ''
        // It was read for another reader, before all was written that this one knows of.
        if (!isOwn && countEntries(text) < entries) text = await load(log, written, page)
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

/** A reader that may be read ahead for. */
export interface Ahead {
  /** Who reads, among all readers of a tenant. */
  readonly reader: string
  /** Takes what the page costs from the limits of the reader and its tenant; false when they have nothing left. */
  readonly pay: () => boolean | Promise<boolean>
}

/** The actors that a page of history is read with. */
export interface HistoryPorts {
  history(query: HistoryQuery): Promise<HistoryAnswer>
  /** Where the tenant's rows are stored. */
  placement(): Promise<Placement | undefined>
  /** A page of a log as its shard has it; null when the tenant's placement there is not the one of `page`. */
  readPage(shard: string, log: LogOf, page: PageOf): Promise<string | null>
  /** Without it no page is read ahead. */
  readonly ahead?: Ahead
}

/**
 * A page of a conversation's log, complete: entries that the conversation no longer holds are read from the cache or
 * Postgres here, so that the conversation never waits for them. For a reader that pages backwards the next older page is put into
 * the cache behind the answer.
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
  const { missing, epoch } = page
  if (ports.ahead !== undefined && missing !== undefined && query.reverse) {
    const { reader, pay } = ports.ahead
    const { now, background } = untaggedPorts(env)
    const next = scrolls.next(`${tenant}/${conversation}/${epoch}/${reader}`, missing, now())
    if (next !== undefined) background(cold.readAhead(conversation, epoch, missing, next, pay))
  }
  return { ...page, publications }
}

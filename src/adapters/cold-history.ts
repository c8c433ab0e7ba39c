import { loadConfig, type Config } from '../config.ts'
import type { Env } from '../env.ts'
import { coldPageSize, completePage, pagesOf, type SeqRange } from '../history/page.ts'
import { countEntries, decodePage } from '../history/page-text.ts'
import type { RequestContext } from '../kernel/request-context.ts'
import type { Publication } from '../protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery } from '../protocol/stream.ts'
import type { Placement } from '../tenants/record.ts'
import type { ShardRegistry } from '../tenants/shard-cache.ts'
import { fromDependency, requestDeadlineMs } from './dependency.ts'
import { openShard } from './neon/shards.ts'
import { selectPage } from './neon/select-page.ts'
import { openCache, type Cache } from './upstash/cache.ts'

/** Entries that only Postgres still holds. */
export interface ColdHistory {
  /** Entries `first`…`last`, ascending. Throws a DependencyError when Postgres does not answer in time and the cache does not have them. */
  read(conversation: string, epoch: string, range: SeqRange): Promise<Publication[]>
}

/** How long a cache holds a page of history at most. */
export const cachedMs = 3_600_000

/** Key of a full page: such a page never changes, except that deletions remove it from the cache. */
export const pageKey = (tenant: string, conversation: string, epoch: string, page: number): string =>
  `history:${tenant}:${conversation}:${epoch}:${page}`

/** Cold history of one tenant: full pages of a hundred come from Redis while it has them, else from the tenant's shard. */
export function coldHistory(
  env: Env,
  { tenant, ...ports }: Pick<HistoryPorts, 'placement' | 'shards'> & { readonly tenant: string },
): ColdHistory {
  return {
    // Opened on first use: most pages are the newest, which the conversation holds itself.
    async read(conversation, epoch, range) {
      const config = loadConfig(env)
      const cache = openCache(config, env.request)
      const at = { tenant, conversation, epoch }
      const reading = pagesOf(range).map((page) =>
        readPage({ config, cache, at, range, request: env.request, ports }, page),
      )
      return (await Promise.all(reading)).flat()
    },
  }
}

/** The actors that a page of history is read with. */
export interface HistoryPorts {
  history(query: HistoryQuery): Promise<HistoryAnswer>
  /** Where the tenant's rows are stored. */
  placement(): Promise<Placement | undefined>
  readonly shards: ShardRegistry
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
  const cold = coldHistory(env, { tenant, placement: () => ports.placement(), shards: ports.shards })
  const publications = await completePage(page, query.reverse, (range) => cold.read(conversation, page.epoch, range))
  return { ...page, publications }
}

interface Place {
  readonly tenant: string
  readonly conversation: string
  readonly epoch: string
}

interface Reading {
  readonly config: Config
  readonly cache: Cache
  readonly at: Place
  readonly range: SeqRange
  readonly request: RequestContext | undefined
  readonly ports: Pick<HistoryPorts, 'placement' | 'shards'>
}

async function readPage({ config, cache, at, range, request, ports }: Reading, page: number): Promise<Publication[]> {
  const key = pageKey(at.tenant, at.conversation, at.epoch, page)
  const cached = await cache.get(key)
  const known = typeof cached === 'string' ? decodePage(cached, range) : undefined
  if (known !== undefined) return known

  const placed = await ports.placement()
  if (placed === undefined) return []
  const whole = { first: page * coldPageSize + 1, last: (page + 1) * coldPageSize }
  const read = await fromDependency(
    placed.shard,
    async () => selectPage(await openShard(config, ports.shards, placed.shard, 'read', requestDeadlineMs), at, whole),
    request,
  )
  if (countEntries(read) === coldPageSize) await cache.set(key, read, cachedMs / 1000)
  const entries = decodePage(read, range)
  if (entries === undefined) throw new Error(`page ${page} of ${at.conversation} is no page of history`)
  return entries
}

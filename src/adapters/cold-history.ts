import { z } from 'zod'
import { loadConfig, type Config } from '../config.ts'
import type { Env } from '../env.ts'
import { coldPageSize, pagesOf, type SeqRange } from '../history/page.ts'
import type { Publication } from '../protocol/replies.ts'
import type { Placement } from '../tenants/record.ts'
import { connect } from './neon/connect.ts'
import { selectMessages } from './neon/select-messages.ts'
import { openCache, type Cache } from './upstash/cache.ts'

/** Entries that only Postgres still holds. */
export interface ColdHistory {
  /** Entries `first`…`last`, ascending. Throws when Postgres cannot be reached and the cache does not have them. */
  read(conversation: string, epoch: string, range: SeqRange): Promise<Publication[]>
}

const cachedSeconds = 3600
const cached = z.array(
  z.object({ offset: z.number(), data: z.string(), info: z.object({ user: z.string(), client: z.string() }) }),
)

/** Key of a full page: such a page never changes, but for deletions, which remove it from the cache. */
export const pageKey = (tenant: string, conversation: string, epoch: string, page: number): string =>
  `history:${tenant}:${conversation}:${epoch}:${page}`

/** Cold history of one tenant: full pages of a hundred come from Redis while it has them, else from the tenant's shard. */
export function coldHistory(
  env: Env,
  tenant: { readonly tenant: string; readonly placement: () => Promise<Placement | undefined> },
): ColdHistory {
  return {
    // Opened by who needs it: most pages are the newest, which the conversation has itself.
    async read(conversation, epoch, range) {
      const config = loadConfig(env)
      const cache = openCache(config)
      const at = { tenant: tenant.tenant, conversation, epoch }
      const pages = await Promise.all(pagesOf(range).map((page) => readPage(config, cache, at, page, tenant.placement)))
      return pages.flat().filter(({ offset }) => offset >= range.first && offset <= range.last)
    },
  }
}

interface Place {
  readonly tenant: string
  readonly conversation: string
  readonly epoch: string
}

async function readPage(
  config: Config,
  cache: Cache,
  at: Place,
  page: number,
  placement: () => Promise<Placement | undefined>,
): Promise<Publication[]> {
  const key = pageKey(at.tenant, at.conversation, at.epoch, page)
  const known = cached.safeParse(await cache.get(key))
  if (known.success) return known.data

  const placed = await placement()
  if (placed === undefined) return []
  const range = { first: page * coldPageSize + 1, last: (page + 1) * coldPageSize }
  const rows = await selectMessages(connect(config, config.shardUrl(placed.shard)), at, range)
  if (rows.length === coldPageSize) await cache.set(key, rows, cachedSeconds)
  return rows
}

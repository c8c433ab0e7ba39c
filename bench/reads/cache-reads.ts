/** How often values of one kind were read, and how often memory or Redis had them. */
export interface CacheReads {
  readonly found: number
  readonly all: number
}

/** The caches whose hits are judged, what they hold, and the share that is to be found. */
const aims = {
  'tenant-admission': { what: 'tenants', share: 0.95 },
  'tenant-record': { what: 'tenant records', share: 0.95 },
  history: { what: 'old pages', share: 0.8 },
} as const

/** Reads of each cache so far, from the text of `/metrics`. */
export function cacheReadsIn(metrics: string): Map<string, CacheReads> {
  const reads = new Map<string, CacheReads>()
  for (const [, cache = '', tier, value] of metrics.matchAll(
    /^parley_cache_reads_total\{cache="([\w-]+)",tier="(\w+)"\} (\d+)$/gm,
  )) {
    const { found, all } = reads.get(cache) ?? { found: 0, all: 0 }
    reads.set(cache, { found: found + (tier === 'miss' ? 0 : Number(value)), all: all + Number(value) })
  }
  return reads
}

/** Adds what was read between two looks. */
export function addReads(
  sum: Map<string, CacheReads>,
  before: ReadonlyMap<string, CacheReads>,
  after: ReadonlyMap<string, CacheReads>,
): void {
  for (const [cache, { found, all }] of after) {
    const [was, known] = [before.get(cache), sum.get(cache)]
    sum.set(cache, {
      found: (known?.found ?? 0) + found - (was?.found ?? 0),
      all: (known?.all ?? 0) + all - (was?.all ?? 0),
    })
  }
}

/** A sentence for each cache that was read. */
export const hitNotes = (sum: ReadonlyMap<string, CacheReads>): string[] =>
  Object.entries(aims).flatMap(([cache, { what, share }]) => {
    const { found, all } = sum.get(cache) ?? { found: 0, all: 0 }
    if (all === 0) return []
    const percent = ((100 * found) / all).toFixed(2)
    return [`${what} found in memory or Redis: ${percent} % of ${all} reads (aim: above ${100 * share} %)`]
  })

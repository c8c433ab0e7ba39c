import { expect, test } from 'vitest'
import { addReads, cacheReadsIn, hitNotes, type CacheReads } from '../bench/reads/cache-reads.ts'

const metrics = (memory: number, redis: number, miss: number) =>
  [
    '# TYPE parley_cache_reads_total counter',
    `parley_cache_reads_total{cache="history",tier="memory"} ${memory}`,
    `parley_cache_reads_total{cache="history",tier="redis"} ${redis}`,
    `parley_cache_reads_total{cache="history",tier="miss"} ${miss}`,
    'parley_cache_entries{cache="history"} 3',
  ].join('\n')

test('the reads bench counts what its measurements found in caches, and nothing before them', () => {
  const sum = new Map<string, CacheReads>()
  addReads(sum, cacheReadsIn(metrics(10, 0, 90)), cacheReadsIn(metrics(15, 4, 91)))
  addReads(sum, cacheReadsIn(metrics(20, 4, 91)), cacheReadsIn(metrics(20, 14, 91)))
  expect(sum.get('history')).toEqual({ found: 19, all: 20 })
  expect(hitNotes(sum)).toEqual(['old pages found in memory or Redis: 95.00 % of 20 reads (aim: above 80 %)'])
})

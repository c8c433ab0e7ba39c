import { aheadFigures, historyCache } from '../../../adapters/cold-history.ts'
import { processEpochs } from '../../../adapters/process-epochs.ts'
import type { Cache, CacheFigures } from '../../../cache/cache.ts'
import { aheadResults } from '../../../history/read-ahead.ts'
import type { MetricFamily, Sample } from '../../../kernel/exposition.ts'
import { facadeRoutes } from '../../facade/routes.ts'
import { identityCaches } from '../../identity/tenants.ts'
import { revocations } from '../../identity/revocations.ts'

type Figured = Pick<Cache<never>, 'figures' | 'held'> & { readonly options: { readonly name: string } }

const caches: readonly Figured[] = [...identityCaches, revocations, historyCache, facadeRoutes]

/** The caches of the process that answers: each process counts by itself, from its start. */
export function cacheFamilies(): MetricFamily[] {
  return [
    {
      name: 'parley_cache_reads_total',
      type: 'counter',
      help: 'Reads of cached values by the tier that answered; a miss was loaded from the owner.',
      samples: [
        ...perCache(({ memoryHits, shared }) => memoryHits + shared, { tier: 'memory' }),
        ...perCache(({ sharedHits }) => sharedHits, { tier: 'redis' }),
        ...perCache(({ loads, refreshes }) => Math.max(0, loads - refreshes), { tier: 'miss' }),
      ],
    },
    counter(
      'parley_cache_stale_total',
      'Reads answered with an expired value while it was loaded again.',
      (each) => each.stale,
    ),
    counter(
      'parley_cache_refreshes_total',
      'Loads in the background, before or after the expiry.',
      (each) => each.refreshes,
    ),
    counter(
      'parley_cache_invalidated_total',
      'Values found and not used, since they were invalidated.',
      (each) => each.invalidated,
    ),
    counter('parley_cache_failures_total', 'Loads that failed.', (each) => each.failures),
    gauge('parley_cache_entries', 'Values in the memory of the process.', ({ held }) => held.entries),
    gauge('parley_cache_bytes', 'Their size, as it is bounded.', ({ held }) => held.bytes),
    {
      name: 'parley_history_pages_ahead_total',
      type: 'counter',
      help: 'Older pages of history that were to be read ahead of a reader, by what became of them.',
      samples: aheadResults.map((result) => ({ labels: { result }, value: aheadFigures[result] })),
    },
    {
      name: 'parley_cache_epoch_questions_total',
      type: 'counter',
      help: 'Questions of the process for new invalidations, by whether they were answered.',
      samples: [
        { labels: { answered: 'yes' }, value: processEpochs.figures.asked - processEpochs.figures.failed },
        { labels: { answered: 'no' }, value: processEpochs.figures.failed },
      ],
    },
  ]
}

const perCache = (value: (figures: CacheFigures) => number, labels: Readonly<Record<string, string>> = {}): Sample[] =>
  caches.map(({ options, figures }) => ({ labels: { cache: options.name, ...labels }, value: value(figures) }))

const counter = (name: string, help: string, value: (figures: CacheFigures) => number): MetricFamily => ({
  name,
  type: 'counter',
  help,
  samples: perCache(value),
})

const gauge = (name: string, help: string, value: (cache: Figured) => number): MetricFamily => ({
  name,
  type: 'gauge',
  help,
  samples: caches.map((cache) => ({ labels: { cache: cache.options.name }, value: value(cache) })),
})

import { cachedMs, pageKey } from '../../src/adapters/cold-history.ts'
import { openCache } from '../../src/adapters/upstash/cache.ts'
import { loadConfig } from '../../src/config.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import { coldPageSize } from '../../src/history/page.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import type { Settings } from '../shared/settings.ts'

interface Stale {
  readonly keys: readonly string[]
  /** No cache keeps them beyond this time. */
  readonly until: number
}

/**
 * Pages of one conversation's old history that a cache may hold with texts which were deleted from Postgres since. They are
 * pending until the cache has dropped them, or until it has had them for as long as it keeps anything.
 */
export class CachedPages {
  readonly #env: Env
  readonly #settings: Settings
  readonly #clock: Clock
  #stale: Stale | undefined

  constructor(env: Env, settings: Settings, clock: Clock) {
    this.#env = env
    this.#settings = settings
    this.#clock = clock
    this.#stale = parse(settings.get('stalePages'))
  }

  isPending(): boolean {
    return this.#stale !== undefined
  }

  /** How often texts were deleted from old pages. */
  get revision(): number {
    return this.#settings.number('pagesRevision')
  }

  /** The entries `seqs` changed in Postgres. Only pages below the log's `floor` were ever read from there. */
  note({ tenant, id, epoch }: Conversation, seqs: readonly number[], floor: number): void {
    const { revision } = this
    const keys = seqs
      .map((seq) => Math.floor((seq - 1) / coldPageSize))
      .filter((page) => page * coldPageSize + 1 < floor)
      .map((page) => pageKey({ tenant, conversation: id, epoch }, { page, revision }))
    if (keys.length === 0) return
    // From now on no reader uses them, also one that is in memory or is written late; what is left of them is dropped.
    this.#settings.set('pagesRevision', revision + 1)
    this.#keep({ keys: [...new Set([...(this.#stale?.keys ?? []), ...keys])], until: this.#clock.now() + cachedMs })
  }

  /** Drops them from the cache; throws when the cache is unreachable. */
  async run(): Promise<void> {
    const stale = this.#stale
    if (stale === undefined) return
    const dropped = await openCache(loadConfig(this.#env)).delete(...stale.keys)
    if (!dropped && this.#clock.now() < stale.until) throw new Error('the cache does not answer')
    if (this.#stale === stale) this.#keep(undefined)
  }

  #keep(stale: Stale | undefined): void {
    this.#stale = stale
    this.#settings.set('stalePages', stale === undefined ? '' : JSON.stringify(stale))
  }
}

function parse(text = ''): Stale | undefined {
  if (text === '') return undefined
  const stale: Stale = JSON.parse(text)
  return stale
}

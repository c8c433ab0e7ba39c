import { DurableObject } from 'cloudflare:workers'
import { requestDeadlineMs } from '../../src/adapters/dependency.ts'
import { processEpochs } from '../../src/adapters/process-epochs.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import { openShard } from '../../src/adapters/neon/shards.ts'
import { Cache } from '../../src/cache/cache.ts'
import { usual } from '../../src/cache/options.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import type { LogOf, PageOf } from '../../src/events/log-of.ts'
import { coldPageSize } from '../../src/history/page.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { ownName, platformOf } from '../address.ts'
import type { ShardReaderRpc } from '../contracts.ts'

/**
 * Reads old pages of history from one shard for all processes: those that ask for the same page at the same time, or within
 * seconds, share one statement. Nothing is stored.
 */
export class ShardReader extends DurableObject<Env> implements ShardReaderRpc {
  readonly #shard = ownName(this.ctx.id.name).tenant
  /** Where a process asks just after the others were answered, and before the page is in Redis. */
  readonly #pages = new Cache<string>({
    ...usual,
    name: 'shard-page',
    tags: () => [],
    ttlMs: 5000,
    staleMs: 0,
    beta: 0,
    maxBytes: 8_000_000,
    waitMs: requestDeadlineMs,
    sizeOf: (page) => 2 * page.length,
  })

  /** A page of a hundred entries as text, see `src/history/page-text.ts`. Throws when the shard does not answer in time. */
  async page(log: LogOf, { page, revision }: PageOf): Promise<string> {
    const key = `${log.tenant}/${log.conversation}/${log.epoch}/${revision}/${page}`
    const range = { first: page * coldPageSize + 1, last: (page + 1) * coldPageSize }
    const read = async () => {
      const config = loadConfig(this.env)
      return await selectPage(
        await openShard(config, platformOf(this.env), this.#shard, 'read', requestDeadlineMs),
        log,
        range,
      )
    }
    const remembering = { ...ports, isRemembered: loadConfig(this.env).pageMemory }
    return (revision < 0 ? await read() : await this.#pages.read(key, read, remembering)) ?? ''
  }

  /** How many pages were asked for and read since the actor started. */
  figures(): { readonly asked: number; readonly read: number } {
    const { memoryHits, shared, loads } = this.#pages.figures
    return { asked: memoryHits + shared + loads, read: loads }
  }
}

/** Values without tags need no epochs, and nothing is done behind an answer. */
const ports = {
  now: () => systemClock.now(),
  random: Math.random,
  epochs: processEpochs.view,
  askEpochs: async () => undefined,
  background: () => undefined,
}

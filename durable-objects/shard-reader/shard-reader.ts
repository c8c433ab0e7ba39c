import { DurableObject } from 'cloudflare:workers'
import { CallRefused, requestDeadlineMs } from '../../src/adapters/dependency.ts'
import { processEpochs } from '../../src/adapters/process-epochs.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import { NotYet, readShard } from '../../src/adapters/neon/read-shard.ts'
import { Cache } from '../../src/cache/cache.ts'
import { usual } from '../../src/cache/options.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import type { LogOf, PageOf } from '../../src/events/log-of.ts'
import { coldPageSize } from '../../src/history/page.ts'
import { countEntries } from '../../src/history/page-text.ts'
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

  /**
   * A page of a hundred entries as text, see `src/history/page-text.ts`, or null when the shard has another epoch of the tenant's
   * placement than the caller believes; "" when it was to be read ahead and a breaker is open. Throws when the shard does not answer
   * in time.
   */
  async page(log: LogOf, page: PageOf): Promise<string | null> {
    const { revision, placementEpoch = '', entries = 0 } = page
    const key = `${log.tenant}/${log.conversation}/${log.epoch}/${revision}/${placementEpoch}/${page.page}`
    let isOwn = false
    const read = async () => {
      isOwn = true
      return await this.#read(log, page)
    }
    const remembering = { ...ports, isRemembered: loadConfig(this.env).pageMemory }
    try {
      const text = revision < 0 ? await read() : ((await this.#pages.read(key, read, remembering)) ?? '')
      // It was read for another caller, before all was written that this one knows of.
      return isOwn || countEntries(text) >= entries ? text : await read()
    } catch (thrown) {
      if (thrown instanceof Misplaced) return null
      if (page.isAhead === true && thrown instanceof CallRefused) return ''
      throw thrown
    }
  }

  async #read(
    log: LogOf,
    { page, entries = 0, times, placementEpoch, position, region, isAhead = false }: PageOf,
  ): Promise<string> {
    const range = { first: page * coldPageSize + 1, last: (page + 1) * coldPageSize }
    const needs = { position, region, deadlineMs: requestDeadlineMs, isOptional: isAhead }
    return await readShard(loadConfig(this.env), platformOf(this.env), this.#shard, needs, async (reader) => {
      const found = await selectPage(reader, log, range, times)
      const isHere = placementEpoch === undefined || found.placed === placementEpoch
      const isWhole = countEntries(found.page) >= entries
      if (reader.from === 'replica' && !(isHere && isWhole)) throw new NotYet('the page is not whole there')
      if (!isHere) throw new Misplaced()
      // Rows may have other times than the log says, where they were not written by it.
      return isWhole || times === undefined ? found.page : (await selectPage(reader, log, range)).page
    })
  }

  /** How many pages were asked for and read since the actor started. */
  figures(): { readonly asked: number; readonly read: number } {
    const { memoryHits, shared, loads } = this.#pages.figures
    return { asked: memoryHits + shared + loads, read: loads }
  }
}

/** The tenant is no longer here, or not yet. */
class Misplaced extends Error {}

/** Values without tags need no epochs, and nothing is done behind an answer. */
const ports = {
  now: () => systemClock.now(),
  random: Math.random,
  epochs: processEpochs.view,
  askEpochs: async () => undefined,
  background: () => undefined,
}

import type { ColdRange, SeqRange, TimeRange } from '../../src/events/log-of.ts'
import { coldPageSize, pagesOf } from '../../src/history/page.ts'
import type { CachedPages } from './cached-pages.ts'
import type { MessageLog } from './message-log.ts'
import type { Projection } from './projection.ts'

const dayMs = 86_400_000

/** What a reader needs to know to read entries from Postgres that the log no longer holds. */
export class ColdRanges {
  readonly #sql: SqlStorage
  readonly #log: MessageLog
  readonly #projection: Projection
  readonly #cachedPages: CachedPages

  constructor(sql: SqlStorage, log: MessageLog, projection: Projection, cachedPages: CachedPages) {
    this.#sql = sql
    this.#log = log
    this.#projection = projection
    this.#cachedPages = cachedPages
  }

  of({ first, last }: SeqRange): ColdRange {
    const written = this.#projection.writtenAt()
    const pages = pagesOf({ first, last })
    const [page = 0, lastPage = 0] = [pages[0], pages.at(-1)]
    const times = this.#timesOf(page * coldPageSize + 1, (lastPage + 1) * coldPageSize)
    return {
      first,
      last,
      revision: this.#cachedPages.revision,
      ...(written === undefined ? {} : { written }),
      // Where the log does not go back so far, Postgres need not have every seq.
      ...(times === undefined ? {} : { times, upTo: this.#projection.watermark }),
    }
  }

  /**
   * When the entries from one seq to another were written, with a day on either side: a clock may have been set back meanwhile.
   * Undefined where the log does not go back so far.
   */
  #timesOf(first: number, last: number): TimeRange | undefined {
    const newest = Math.min(last, this.#log.top())
    const rows = this.#sql
      .exec<{ at: number }>('SELECT at FROM messages WHERE seq IN (?, ?) ORDER BY seq', first, newest)
      .toArray()
    const [from, to] = [rows[0]?.at, rows.at(-1)?.at]
    if (from === undefined || to === undefined || (rows.length < 2 && first < newest)) return undefined
    return { from: Math.min(from, to) - dayMs, to: Math.max(from, to) + dayMs }
  }
}

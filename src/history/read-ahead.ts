import type { SeqRange } from '../events/log-of.ts'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { pagesOf } from './page.ts'

/** Readers that are remembered in one process. */
const maxReaders = 2000
/** A reader that pauses for longer begins anew. */
const pauseMs = 60_000

/** What readers read last of old history, to find those that page backwards through it. */
export class Scrolls {
  readonly #last = new BoundedMap<string, { readonly first: number; readonly at: number }>(maxReaders)

  /**
   * Notes that a reader, named with the log that it reads, has read `range` backwards. Returns the page that its next request will
   * need beside those of this one; undefined unless this range ended where the one before began, or where there is none.
   */
  next(reader: string, range: SeqRange, now: number): number | undefined {
    const before = this.#last.get(reader)
    this.#last.set(reader, { first: range.first, at: now })
    if (before?.first !== range.last + 1 || now - before.at > pauseMs || range.first <= 1) return undefined
    const count = range.last - range.first + 1
    const [oldest] = pagesOf(range)
    return pagesOf({ first: Math.max(1, range.first - count), last: range.first - 1 })
      .filter((page) => oldest !== undefined && page < oldest)
      .at(-1)
  }
}

/** What became of pages that were to be read ahead. */
export const aheadResults = ['loaded', 'cached', 'refused', 'breaker', 'failed'] as const
export type AheadResult = (typeof aheadResults)[number]

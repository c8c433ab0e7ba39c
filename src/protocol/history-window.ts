import { refuse, type Refusal } from './errors.ts'
import { sizes } from './limits.ts'
import type { HistoryQuery } from './stream.ts'

/** The seqs a page of history covers: `after` < seq < `before`, taken from the low end or, reversed, from the high end. */
export interface Window {
  readonly after: number
  readonly before: number
  readonly limit: number
  readonly reverse: boolean
}

/** Reads a history query against a stream (Centrifuge protocol, "history"); the page is capped, never refused for size. */
export function historyWindow(
  query: HistoryQuery,
  stream: { readonly epoch: string; readonly top: number },
): { readonly kind: 'window'; readonly window: Window } | Refusal {
  const { since, reverse } = query
  if (since !== undefined && since.epoch !== '' && since.epoch !== stream.epoch) return refuse('unrecoverablePosition')
  if (reverse && since !== undefined && since.offset === 0)
    return refuse('badRequest', 'reverse needs since.offset above 0')

  const limit = query.limit < 0 ? sizes.historyPage : Math.min(query.limit, sizes.historyPage)
  const after = reverse ? 0 : (since?.offset ?? 0)
  const before = reverse && since !== undefined ? Math.min(since.offset, stream.top + 1) : stream.top + 1
  return { kind: 'window', window: { after, before, limit, reverse } }
}

/** The seqs of a window that a complete page consists of, ascending bounds: first ≤ seq ≤ last; empty when last < first. */
export function pageBounds({ after, before, limit, reverse }: Window): {
  readonly first: number
  readonly last: number
} {
  return reverse
    ? { first: Math.max(after + 1, before - limit), last: before - 1 }
    : { first: after + 1, last: Math.min(before - 1, after + limit) }
}

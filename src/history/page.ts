import type { ColdRange, SeqRange } from '../events/log-of.ts'
import type { Publication } from '../protocol/replies.ts'

/** An actor's part of a page, in the requested order, and the seqs it no longer holds. */
export interface PartialPage {
  readonly publications: readonly Publication[]
  readonly missing?: ColdRange
}

/**
 * Inserts the entries that the actor no longer holds (ascending, from `readCold`): first when reading forward, last
 * when reading backward.
 */
export async function completePage(
  page: PartialPage,
  reverse: boolean,
  readCold: (range: ColdRange) => Promise<Publication[]>,
): Promise<Publication[]> {
  if (page.missing === undefined) return [...page.publications]
  const cold = await readCold(page.missing)
  return reverse ? [...page.publications, ...cold.toReversed()] : [...cold, ...page.publications]
}

/** Seqs in one cached page. */
export const coldPageSize = 100

/** The numbers of the cached pages a range touches; page n holds seqs n·100+1 … (n+1)·100. */
export function pagesOf({ first, last }: SeqRange): number[] {
  const from = Math.floor((first - 1) / coldPageSize)
  const to = Math.floor((last - 1) / coldPageSize)
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
}

/**
 * Entries at some seqs that an actor no longer holds; `missing` reaches from the first to the last of them. Only pages of old history
 * that have any of them are read.
 */
export async function readScattered(
  missing: ColdRange,
  seqs: readonly number[],
  readCold: (range: ColdRange) => Promise<Publication[]>,
): Promise<Publication[]> {
  const wanted = new Set(seqs.filter((seq) => seq >= missing.first && seq <= missing.last))
  const byPage = Map.groupBy(wanted, (seq) => Math.floor((seq - 1) / coldPageSize))
  const read = [...byPage.values()].map(async (own) => {
    return await readCold({ ...missing, first: Math.min(...own), last: Math.max(...own) })
  })
  return (await Promise.all(read)).flat().filter(({ offset }) => wanted.has(offset))
}

/** What one shard found on a part of its tenants, in the order of their ids. */
export interface FoundOnShard<T> {
  readonly found: readonly T[]
  /** The last tenant that was looked at; null when these were all. */
  readonly upTo: string | null
}

/**
 * Merges what several shards found among the tenants after a cursor into one page in the order of tenants. A shard that looked
 * at a part of its tenants only may hold more after that part, so the page ends there; `next` is the cursor of the next one.
 */
export function mergeFound<T extends { readonly tenant: string }>(
  answers: readonly FoundOnShard<T>[],
  limit: number,
): { readonly found: T[]; readonly next: string | null } {
  const ends = answers.flatMap(({ upTo }) => upTo ?? [])
  const end = ends.length === 0 ? null : ends.reduce((least, upTo) => (upTo < least ? upTo : least))
  const within = answers
    .flatMap(({ found }) => found)
    .filter(({ tenant }) => end === null || tenant <= end)
    .toSorted((a, b) => compare(a.tenant, b.tenant))
  if (within.length <= limit) return { found: within, next: end }
  const found = within.slice(0, limit)
  return { found, next: found.at(-1)?.tenant ?? end }
}

/** A tenant and the figure that it is ranked by. */
export interface Ranked {
  readonly tenant: string
  readonly total: number
}

/** The place after which a ranking goes on. */
export const rankOf = ({ tenant, total }: Ranked): string => `${total}/${tenant}`

/** Reads what `rankOf` wrote; undefined for another text. */
export function readRank(text: string): Ranked | undefined {
  const [, total, tenant] = /^(\d{1,15})\/(.+)$/.exec(text) ?? []
  return total === undefined || tenant === undefined ? undefined : { tenant, total: Number(total) }
}

/** The highest figures of all shards, of which each gave its highest `limit` and one more. */
export function mergeTop<T extends Ranked>(
  answers: readonly (readonly T[])[],
  limit: number,
): { readonly top: T[]; readonly next: string | null } {
  const all = answers.flat().toSorted(byRank)
  const top = all.slice(0, limit)
  const last = top.at(-1)
  return { top, next: all.length > limit && last !== undefined ? rankOf(last) : null }
}

/** The higher figure first; of equal ones the tenant that comes first in the order of ids. */
export const byRank = (a: Ranked, b: Ranked): number => b.total - a.total || compare(a.tenant, b.tenant)

/** By code units, as Postgres orders text under the collation C. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

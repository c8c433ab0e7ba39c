/** Up to `count` different items, in random order. */
export function pickDistinct<T>(items: readonly T[], count: number): T[] {
  const pool = [...items]
  for (let at = 0; at < Math.min(count, pool.length); at += 1) {
    const other = at + Math.floor(Math.random() * (pool.length - at))
    const [a, b] = [pool[at], pool[other]]
    if (a !== undefined && b !== undefined) [pool[at], pool[other]] = [b, a]
  }
  return pool.slice(0, count)
}

/** Exactly `count` items, repeats allowed; none from an empty list. */
export function pickWithRepeats<T>(items: readonly T[], count: number): T[] {
  if (items.length === 0) return []
  return Array.from({ length: count }, () => pickDistinct(items, 1)).flat()
}

/** What SRANDMEMBER and HRANDFIELD mean by a count: negative allows repeats. */
export const pick = <T>(items: readonly T[], count: number): T[] =>
  count < 0 ? pickWithRepeats(items, -count) : pickDistinct(items, count)

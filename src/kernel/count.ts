/**
 * How often each name occurs. The names are chosen by customers, and one may be `constructor`: they are counted in a
 * map, since every plain object has some properties already.
 */
export function countByName(names: Iterable<string>): Record<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return Object.fromEntries(counts)
}

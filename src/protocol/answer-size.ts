/**
 * Characters of entries in one answer between actors: it may have 32 MiB, in which each may take two bytes, and the
 * rest of the answer needs room.
 */
export const answerChars = 4_194_304

interface Sized {
  readonly data: string
}

/** Characters of all of these. */
export const charsOf = (entries: readonly Sized[]): number => entries.reduce((sum, { data }) => sum + data.length, 0)

/** The longest prefix of these that fits into an answer; at least the first one. */
export function fitting<T extends Sized>(entries: readonly T[]): readonly T[] {
  let left = answerChars
  const end = entries.findIndex(({ data }, index) => (left -= data.length) < 0 && index > 0)
  return end < 0 ? entries : entries.slice(0, end)
}

/**
 * Characters of entries in one answer between actors: it may have 32 MiB, in which each may take two bytes, and room has to
 * be left for what else is in it.
 */
export const answerChars = 4_194_304

interface Sized {
  readonly data: string
}

/** Characters of all of these. */
export const charsOf = (entries: readonly Sized[]): number => entries.reduce((sum, { data }) => sum + data.length, 0)

/** As many of these, from the first one on, as an answer has room for; the first one always. */
export function fitting<T extends Sized>(entries: readonly T[]): readonly T[] {
  let left = answerChars
  const end = entries.findIndex(({ data }, index) => (left -= data.length) < 0 && index > 0)
  return end < 0 ? entries : entries.slice(0, end)
}

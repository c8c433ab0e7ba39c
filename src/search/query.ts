import { isUnspaced, wordsOf } from './words.ts'

/** What a text of a search looks for, as tsquery texts; ~ stands for the tenant and the week. */
export interface Pattern {
  /** Everything that a message must have. */
  readonly all: string
  /** Each word by itself: what is marked in the texts that were found. */
  readonly any: string
}

/** Words of one search. */
export const maxSearchWords = 24

/**
 * Reads the text of a search: words that a message must have, each, in any order; `"words in quotes"` that follow each other; and
 * `beginning*`. What is joined without a space, such as `well-known`, is looked for as it is joined. A quote without an end ends with
 * the text. Undefined where there is no word in it, `too-many` beyond the bound.
 */
export function readPattern(text: string): Pattern | undefined | 'too-many' {
  const groups: string[] = []
  const words = new Set<string>()
  let count = 0
  for (const { 0: chunk } of text.matchAll(/["“”„«»][^"“”„«»]*["“”„«»]?|[^\s"“”„«»]+/gu)) {
    const found = [...wordsOf(chunk)]
    // The last character of a run stands for itself in texts only.
    const wanted = found.filter(({ word, end }, at) => {
      const before = found[at - 1]
      return !(isUnspaced(word) && before !== undefined && isUnspaced(before.word) && before.end === end)
    })
    count += wanted.length
    if (count > maxSearchWords) return 'too-many'
    const terms = wanted.map(({ word }, at) => {
      const isPrefix = (at === wanted.length - 1 && /\*["“”„«»]?$/u.test(chunk)) || isOneUnspaced(word)
      return `'~${word}'${isPrefix ? ':*' : ''}`
    })
    for (const term of terms) words.add(term)
    const group = terms.reduce((before, term, at) => {
      if (at === 0) return term
      const distance = (wanted[at]?.position ?? 0) - (wanted[at - 1]?.position ?? 0)
      return `${before} <${distance}> ${term}`
    }, '')
    if (group !== '') groups.push(terms.length > 1 ? `(${group})` : group)
  }
  return groups.length === 0 ? undefined : { all: groups.join(' & '), any: [...words].join(' | ') }
}

/** A single character is found at the beginning of the pairs that it begins, and by itself at the end of a run. */
const isOneUnspaced = (word: string): boolean => isUnspaced(word) && (word.match(/\P{M}/gu) ?? []).length === 1

/** A word of a text as search knows it: where it stands among the words, and from where to where in the text (UTF-16). */
export interface Word {
  readonly word: string
  readonly position: number
  readonly start: number
  readonly end: number
}

/** Letters, digits, and the marks on them; all else separates words. */
const words = /[\p{L}\p{M}\p{N}]+/gu
/** Scripts that are written without spaces between words, or with endings that a reader does not look for. */
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A character with the marks on it; voiced sound marks of half-width katakana are characters of their own. */
const characters = /[^\p{M}\uFF9E\uFF9F][\p{M}\uFF9E\uFF9F]*|[\p{M}\uFF9E\uFF9F]+/gu
const latin = /\p{Script=Latin}/u
/** Longer words are cut, in the texts and in what is looked for. */
const maxWord = 64

/** A word without what makes no difference: case, width, and accents of Latin letters. */
function normal(text: string): string {
  const lower = text.normalize('NFKC').toLowerCase()
  const plain = latin.test(lower) ? lower.normalize('NFKD').replaceAll(/\p{M}/gu, '') : lower
  return plain
    .replaceAll(/[^\p{L}\p{M}\p{N}]/gu, '')
    .slice(0, maxWord)
    .toWellFormed()
}

/**
 * The words of a text in order. Text of scripts without spaces becomes pairs of neighbouring characters, each at the place of its
 * first one, and the last character of such a run by itself: so a word of two characters is one of the pairs, and one of more is
 * several in a row.
 */
export function* wordsOf(text: string): Generator<Word> {
  let position = 0
  for (const { 0: found, index } of text.matchAll(words)) {
    if (!unspaced.test(found)) {
      const word = normal(found)
      if (word !== '') yield { word, position: ++position, start: index, end: index + found.length }
      continue
    }
    for (const run of runsOf(found, index)) {
      if (!run.isUnspaced) {
        const word = normal(run.text)
        if (word !== '') yield { word, position: ++position, start: run.start, end: run.start + run.text.length }
        continue
      }
      const chars = [...run.text.matchAll(characters)].map(({ 0: char, index: at }) => ({
        char: normal(char),
        start: run.start + at,
        end: run.start + at + char.length,
      }))
      for (const [place, { char, start, end }] of chars.entries()) {
        const next = chars[place + 1]
        const word = char + (next?.char ?? '')
        if (word !== '') yield { word, position: ++position, start, end: next?.end ?? end }
      }
    }
  }
}

/** Parts of a word whose characters are all of scripts without spaces, or all of others. */
function* runsOf(text: string, start: number) {
  let run = { text: '', start, isUnspaced: false }
  for (const { 0: char, index } of text.matchAll(characters)) {
    const isUnspaced = unspaced.test(char)
    if (run.text !== '' && run.isUnspaced === isUnspaced) run.text += char
    else {
      if (run.text !== '') yield run
      run = { text: char, start: start + index, isUnspaced }
    }
  }
  if (run.text !== '') yield run
}

/** Whether a word is of a script without spaces. */
export const isUnspaced = (word: string): boolean => unspaced.test(word)

/** Places of words beyond this one count as it: a tsvector has no higher ones. */
const maxPosition = 16_383

/** The words of a text in the notation of a tsvector, each behind the mark that Postgres replaces by the tenant and the week. */
export function termsOf(text: string): string {
  const places = new Map<string, number[]>()
  for (const { word, position } of wordsOf(text)) {
    const known = places.get(word)
    if (known === undefined) places.set(word, [Math.min(position, maxPosition)])
    else if (known.length < 255) known.push(Math.min(position, maxPosition))
  }
  return [...places].map(([word, at]) => `'~${word}':${at.join(',')}`).join(' ')
}

/** A pattern in folded form: `open` sides may be followed by further letters. */
interface Pattern {
  readonly length: number
  readonly opensBefore: boolean
  readonly opensAfter: boolean
  readonly list: number
}

/** Where a list matches a text, in units of the text. */
export interface WordMatch {
  readonly list: number
  readonly from: number
  readonly to: number
}

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}]/u.test(character)

/** A text in lower case, without accents and forms of compatibility; `places` says where each unit of it stands in the text. */
interface Folded {
  readonly text: string
  readonly places: readonly number[] | undefined
}

/** ASCII, the usual case, keeps its places. */
export function folded(text: string): Folded {
  if (!/[^ -~\t\n\r]/.test(text)) return { text: text.toLowerCase(), places: undefined }
  let result = ''
  const places: number[] = []
  let at = 0
  for (const character of text) {
    const plain = character.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
    for (let unit = 0; unit < plain.length; unit++) places.push(at)
    result += plain
    at += character.length
  }
  places.push(at)
  return { text: result, places }
}

/**
 * Finds words and phrases in texts, all patterns at once, in one pass without backtracking (Aho–Corasick): the time is that of the text, times
 * the number of patterns that end at the same place at most.
 */
export class WordAutomaton {
  /** By node and unit, as one number. */
  readonly #next = new Map<number, number>()
  readonly #fail: number[] = [0]
  readonly #ends: Pattern[][] = [[]]
  /** The nearest node on the way of failures where a pattern ends; 0 for none. */
  readonly #output: number[] = [0]

  constructor(lists: readonly (readonly string[])[]) {
    const children: [number, number][][] = [[]]
    for (const [list, words] of lists.entries()) for (const word of words) this.#add(word, list, children)
    const queue = [0]
    for (let node = queue.shift(); node !== undefined; node = queue.shift())
      for (const [unit, child] of children[node] ?? []) {
        const fail = node === 0 ? 0 : this.#step(this.#fail[node] ?? 0, unit)
        this.#fail[child] = fail
        this.#output[child] = (this.#ends[fail]?.length ?? 0) > 0 ? fail : (this.#output[fail] ?? 0)
        queue.push(child)
      }
  }

  /** The matches in a text, by their ends. */
  matches(given: string): WordMatch[] {
    const { text, places } = folded(given)
    const found: WordMatch[] = []
    const placeOf = (at: number) => (places === undefined ? at : (places[at] ?? given.length))
    let node = 0
    for (let at = 0; at < text.length; at++) {
      node = this.#step(node, text.charCodeAt(at))
      for (let end = node; end !== 0; end = this.#output[end] ?? 0)
        for (const { length, opensBefore, opensAfter, list } of this.#ends[end] ?? []) {
          const from = at + 1 - length
          if (!opensBefore && isWordCharacter(before(text, from))) continue
          if (!opensAfter && isWordCharacter(after(text, at + 1))) continue
          found.push({ list, from: placeOf(from), to: placeOf(at + 1) })
        }
    }
    return found
  }

  #add(word: string, list: number, children: [number, number][][]): void {
    const opensBefore = word.startsWith('*')
    const opensAfter = word.endsWith('*')
    const { text } = folded(word.slice(opensBefore ? 1 : 0, opensAfter ? -1 : undefined))
    let node = 0
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      const key = keyOf(node, unit)
      let child = this.#next.get(key)
      if (child === undefined) {
        child = this.#fail.push(0) - 1
        this.#ends.push([])
        this.#output.push(0)
        children.push([])
        children[node]?.push([unit, child])
        this.#next.set(key, child)
      }
      node = child
    }
    if (node !== 0) this.#ends[node]?.push({ length: text.length, opensBefore, opensAfter, list })
  }

  #step(from: number, unit: number): number {
    let node = from
    for (;;) {
      const next = this.#next.get(keyOf(node, unit))
      if (next !== undefined) return next
      if (node === 0) return 0
      node = this.#fail[node] ?? 0
    }
  }
}

const keyOf = (node: number, unit: number): number => node * 65_536 + unit

/** The character that ends before a place, and the one that begins there: letters of other planes are two units. */
const before = (text: string, at: number): string | undefined =>
  at === 0
    ? undefined
    : String.fromCodePoint(text.codePointAt(at - 2 >= 0 && isLow(text, at - 1) ? at - 2 : at - 1) ?? 0)
const after = (text: string, at: number): string | undefined => {
  const point = text.codePointAt(at)
  return point === undefined ? undefined : String.fromCodePoint(point)
}
const isLow = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00

/** A bare item of RFC 9651: an Integer, a String, or a Byte Sequence. What our fields never use is not read. */
export type Bare = number | string | { readonly bytes: string }

export interface Item {
  readonly value: Bare
  readonly parameters: ReadonlyMap<string, Bare>
}

/** Parses a List of Items by RFC 9651 §4.2, or throws: a malformed field must be ignored whole. */
export function parseList(field: string): Item[] {
  const text = new Text(field.replace(/^ +| +$/g, ''))
  const items: Item[] = []
  while (!text.done) {
    items.push({ value: bareOf(text), parameters: parametersOf(text) })
    text.take(/[ \t]*/y)
    if (text.done) return items
    text.need(/,/y, 'a comma')
    text.take(/[ \t]*/y)
    if (text.done) throw new Error('nothing after the comma')
  }
  return items
}

class Text {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.#at === this.#text.length
  }

  take(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  need(sticky: RegExp, what: string): string {
    const found = this.take(sticky)
    if (found === undefined) throw new Error(`expected ${what} at ${this.#at} of ${this.#text}`)
    return found
  }
}

function bareOf(text: Text): Bare {
  const string = text.take(/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y)
  if (string !== undefined) return string.slice(1, -1).replace(/\\(["\\])/g, '$1')
  const bytes = text.take(/:[A-Za-z0-9+/=]*:/y)
  if (bytes !== undefined) return { bytes: atob(bytes.slice(1, -1)) }
  const number = text.need(/-?[0-9]+(?![0-9.])/y, 'an item')
  if (number.replace('-', '').length > 15) throw new Error(`${number} has more than 15 digits`)
  return Number(number)
}

function parametersOf(text: Text): Map<string, Bare> {
  const parameters = new Map<string, Bare>()
  while (text.take(/;/y) !== undefined) {
    text.take(/ */y)
    const key = text.need(/[a-z*][a-z0-9_.*-]*/y, 'a key')
    text.need(/=/y, 'a value: none of these parameters is a Boolean')
    parameters.set(key, bareOf(text))
  }
  return parameters
}

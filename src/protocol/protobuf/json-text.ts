/**
 * Walks JSON text value by value without building values: a publication's data is passed on as it was written, however
 * large. It checks nothing: text from outside must have been parsed before.
 */
export class JsonText {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Whether anything but white space is left. */
  get more(): boolean {
    this.#skipSpace()
    return this.#at < this.#text.length
  }

  /** Calls `each` at every member of the object here; it must take the value, by any of the others. */
  members(each: (name: string) => void): void {
    this.#all('{', '}', () => {
      const name = this.string()
      this.#expect(':')
      each(name)
    })
  }

  /** Calls `each` at every item of the array here; it must take the value. */
  items(each: () => void): void {
    this.#all('[', ']', each)
  }

  string(): string {
    const raw = this.raw()
    return raw.includes('\\') ? String(JSON.parse(raw)) : raw.slice(1, -1)
  }

  number(): number {
    return Number(this.raw())
  }

  /** The text of the value here. */
  raw(): string {
    this.#skipSpace()
    const from = this.#at
    this.#at = endOf(this.#text, from)
    return this.#text.slice(from, this.#at)
  }

  /** The text of the value here with the white space around it. */
  padded(): string {
    const from = this.#at
    this.skip()
    this.#skipSpace()
    return this.#text.slice(from, this.#at)
  }

  /** Passes over the value here. */
  skip(): void {
    this.#skipSpace()
    this.#at = endOf(this.#text, this.#at)
  }

  /** Whether the value here is an object. */
  get isObject(): boolean {
    this.#skipSpace()
    return this.#text.charCodeAt(this.#at) === 0x7b
  }

  /** Passes over a null, if there is one here. */
  isNull(): boolean {
    this.#skipSpace()
    const found = this.#text.startsWith('null', this.#at)
    if (found) this.#at += 4
    return found
  }

  #all(open: string, close: string, each: () => void): void {
    this.#expect(open)
    if (this.#takes(close)) return
    do each()
    while (this.#takes(','))
    this.#expect(close)
  }

  #takes(mark: string): boolean {
    this.#skipSpace()
    const found = this.#text[this.#at] === mark
    if (found) this.#at++
    return found
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw new SyntaxError(`no ${mark} at ${this.#at} of the JSON text`)
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++
  }
}

/** The text of the member that the names lead to, from object to object; of repeated names the last counts, as in JSON.parse. */
export const textAt = (text: string, path: readonly string[]): string | undefined => find(new JsonText(text), path, 0)

function find(json: JsonText, path: readonly string[], level: number): string | undefined {
  let found: string | undefined
  json.members((name) => {
    if (name !== path[level]) return json.skip()
    if (level === path.length - 1) found = json.raw()
    else if (json.isObject) found = find(json, path, level + 1)
    else {
      found = undefined
      json.skip()
    }
  })
  return found
}

/** The texts of an array's items. */
export function itemTexts(text: string): string[] {
  const json = new JsonText(text)
  const items: string[] = []
  json.items(() => void items.push(json.raw()))
  return items
}

/** The texts of an object's members by their names; of repeated names the last counts, as in JSON.parse. */
export function memberTexts(text: string): Map<string, string> {
  const json = new JsonText(text)
  const members = new Map<string, string>()
  json.members((name) => void members.set(name, json.raw()))
  return members
}

const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const quote = 0x22
const backslash = 0x5c

/** Where the value that begins at `from` ends. */
function endOf(text: string, from: number): number {
  const first = text.charCodeAt(from)
  if (first === quote) return endOfString(text, from)
  if (first === 0x7b || first === 0x5b) return endOfNest(text, from)
  let at = from
  while (at < text.length && !/[\s,\]}]/.test(text.charAt(at))) at++
  if (at === from) throw new SyntaxError(`no value at ${from} of the JSON text`)
  return at
}

function endOfNest(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at) - 1
    else if (code === 0x7b || code === 0x5b) depth++
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at + 1
  }
  throw new SyntaxError('the JSON text ends in the middle')
}

function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at + 1
  }
  throw new SyntaxError('the JSON text ends in the middle of a string')
}

import { textAt } from './protobuf/json-text.ts'

/**
 * JSON as a caller gave it: the parsed value and the text. Rules are checked on the value; the text is stored and
 * passed on, since serialising the value again would change numbers, the order of members and escapes.
 */
export class GivenJson {
  readonly value: unknown
  #text: string | (() => string)

  /** `text` is found when it is asked for: most commands are read by their values alone. */
  constructor(value: unknown, text: string | (() => string)) {
    this.value = value
    this.#text = text
  }

  get text(): string {
    if (typeof this.#text !== 'string') this.#text = this.#text()
    return this.#text
  }

  /** The text of a member, by the names that lead to it; undefined when it is not there. */
  textAt(...path: readonly string[]): string | undefined {
    return textAt(this.text, path)
  }
}

/** Data of a Protobuf command that is no JSON text in UTF-8. */
export class GivenBytes {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

import type { Bytes } from '../bytes.ts'
import { refusals } from './errors.ts'

/**
 * Reads the option words at the end of a command, one after another.
 *
 * Usage: loop while `more()`, `take` the words you know, and `throw refusals.syntax()` on the rest.
 */
export class Options {
  readonly #words: readonly Bytes[]
  #at = 0

  constructor(words: readonly Bytes[]) {
    this.#words = words
  }

  /** Whether words remain. */
  more(): boolean {
    return this.#at < this.#words.length
  }

  /** The next word as an upper-case option name. */
  word(): string {
    return this.value().toUpperCase()
  }

  /** The next word as it is; a missing one is a syntax error. */
  value(): Bytes {
    const word = this.#words[this.#at]
    if (word === undefined) throw refusals.syntax()
    this.#at += 1
    return word
  }

  /** Consumes the next word if it is this one. */
  take(name: string): boolean {
    if (this.#words[this.#at]?.toUpperCase() !== name) return false
    this.#at += 1
    return true
  }

  /** Everything not read yet. */
  rest(): Bytes[] {
    return this.#words.slice(this.#at)
  }
}

/** Splits `field value field value …` into pairs; an odd count is refused. */
export function pairs(words: readonly Bytes[], refusal: () => Error): [Bytes, Bytes][] {
  if (words.length % 2 !== 0) throw refusal()
  return Array.from({ length: words.length / 2 }, (_, index) => [words[2 * index] ?? '', words[2 * index + 1] ?? ''])
}

/** Flattens pairs the way RESP2 lists a map. */
export const flat = (entries: Iterable<readonly [Bytes, Bytes]>): Bytes[] => [...entries].flat()

/** Turns a possibly negative index range into a slice of a sequence; `start > end` means empty. */
export function sliceBounds(start: number, stop: number, length: number): { start: number; end: number } {
  const from = Math.max(start < 0 ? length + start : start, 0)
  const to = Math.min(stop < 0 ? length + stop : stop, length - 1)
  return { start: from, end: to + 1 }
}

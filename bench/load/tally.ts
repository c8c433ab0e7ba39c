/**
 * Every message of a conversation carries its number between two markers, `~17~ …`, so that a delivery is counted and known by
 * a search for one byte instead of parsing JSON. The byte appears nowhere else in what the targets send.
 */
export const marker = 0x7e

const textLength = 64
const padding = ' the quick brown fox jumps over the lazy dog, and again, and again'

/** The text of message number `n`: always as long, so that all targets carry the same. */
export function messageText(n: number): string {
  return `~${n}~${padding}`.slice(0, textLength)
}

/**
 * Which messages were sent or received, in three numbers. Two tallies are equal when the messages are the same ones: a
 * lost message and a doubled one cannot hide each other, as they could in a mere count.
 */
export class Tally {
  count = 0
  #sum = 0
  #squares = 0

  /** Adds message number `n`. */
  add(n: number): void {
    this.count += 1
    this.#sum += n
    this.#squares = (this.#squares + Math.imul(n, n)) | 0
  }

  /** Adds the message whose first marker stands at `at`. */
  receive(bytes: Buffer, at: number): void {
    let n = 0
    for (let i = at + 1; ; i++) {
      const digit = (bytes[i] ?? 0) - 0x30
      if (digit < 0 || digit > 9) break
      n = n * 10 + digit
    }
    this.add(n)
  }

  /** True when both hold the same messages. */
  agreesWith(other: Tally): boolean {
    return this.count === other.count && this.#sum === other.#sum && this.#squares === other.#squares
  }
}

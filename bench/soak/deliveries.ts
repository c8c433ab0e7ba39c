import { Tally } from '../load/tally.ts'

/** How many of the newest entries are held against each other, message by message. */
const remembered = 64

/**
 * What was promised and what was received in one conversation, by all together: a handful of numbers, however long it
 * goes. Numbers of messages are unique in the conversation. Methods return what is wrong, or undefined.
 */
export class Deliveries {
  readonly #promised = new Tally()
  readonly #received = new Tally()
  /** The newest entries that any client received, by offset; 0 for what is no message. */
  readonly #newest = new Map<number, number>()
  #top = 0
  #acknowledged = 0
  #due = 0

  /** The last entry that any client received. */
  get top(): number {
    return this.#top
  }

  /** The offset that everyone must have received who listens all the time. */
  get due(): number {
    return this.#due
  }

  /** True when exactly the promised messages were received, each once. */
  get isSettled(): boolean {
    return this.#promised.agreesWith(this.#received)
  }

  /** Message `n` was acknowledged, at its place. */
  acknowledge(n: number, seq: number): string | undefined {
    this.promise(n)
    this.#acknowledged = Math.max(this.#acknowledged, seq)
    return this.#agree(n, seq)
  }

  /** Message `n` was promised for later. */
  promise(n: number): void {
    this.#promised.add(n)
  }

  /** A client received an entry: message `n`, or 0 for another kind. Only the first to receive it counts it. */
  receive(offset: number, n: number): string | undefined {
    if (offset <= this.#top) return this.#agree(n, offset)
    const expected = this.#top + 1
    this.#top = offset
    this.#newest.set(offset, n)
    this.#newest.delete(offset - remembered)
    if (n !== 0) this.#received.add(n)
    return offset === expected ? undefined : `no client received ${expected}, but one received ${offset}`
  }

  /** What is acknowledged by now is due the next time: entries on their way are not expected yet. */
  advance(): void {
    this.#due = this.#acknowledged
  }

  describe(): string {
    return `${this.#promised.count} messages were promised and ${this.#received.count} received, or not the same ones`
  }

  #agree(n: number, offset: number): string | undefined {
    const known = this.#newest.get(offset)
    return known === undefined || known === n ? undefined : `at ${offset} one client has message ${n}, others ${known}`
  }
}

/** Chance that repeats itself (mulberry32): the same seed plans the same people, places and deeds. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to but not including 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  happens(probability: number): boolean {
    return this.next() < probability
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** How long until something that happens every `mean` on average, whatever happened before. */
  waiting(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }

  below(most: number): number {
    return Math.floor(this.next() * most)
  }

  /** One of these; undefined when there is none. */
  oneOf<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)]
  }

  /** `count` different ones of these, or all when there are fewer. */
  someOf<T>(items: readonly T[], count: number): T[] {
    const left = [...items]
    return Array.from({ length: Math.min(count, items.length) }, () => left.splice(this.below(left.length), 1)).flat()
  }
}

import type { Bytes } from '../bytes.ts'

/** One member and its score. */
export interface Scored {
  readonly member: Bytes
  readonly score: number
}

const order = (a: Scored, b: Scored): number => {
  if (a.score !== b.score) return a.score < b.score ? -1 : 1
  if (a.member === b.member) return 0
  return a.member < b.member ? -1 : 1
}

/** Members ordered by score, then by bytes. A sorted array with binary search: simple, and quick at local sizes. */
export class SortedSet implements Iterable<Scored> {
  readonly #scores = new Map<Bytes, number>()
  readonly #ordered: Scored[] = []

  /** A set of these members; a later score of the same member wins. */
  static from(members: Iterable<Scored>): SortedSet {
    const set = new SortedSet()
    for (const { member, score } of members) set.set(member, score)
    return set
  }

  get size(): number {
    return this.#ordered.length
  }

  [Symbol.iterator](): Iterator<Scored> {
    return this.#ordered[Symbol.iterator]()
  }

  /** The score of a member. */
  score(member: Bytes): number | undefined {
    return this.#scores.get(member)
  }

  /** Places a member at a score, wherever it was before. */
  set(member: Bytes, score: number): void {
    this.delete(member)
    this.#scores.set(member, score)
    const entry = { member, score }
    this.#ordered.splice(this.#position(entry), 0, entry)
  }

  /** Removes a member; answers whether it was there. */
  delete(member: Bytes): boolean {
    const rank = this.rank(member)
    if (rank === undefined) return false
    this.#ordered.splice(rank, 1)
    this.#scores.delete(member)
    return true
  }

  /** The place of a member, counted from the lowest score. */
  rank(member: Bytes): number | undefined {
    const score = this.#scores.get(member)
    return score === undefined ? undefined : this.#position({ member, score })
  }

  /** Members from the lowest, or from the highest. */
  list(reversed = false): Scored[] {
    return reversed ? this.#ordered.toReversed() : [...this.#ordered]
  }

  #position(entry: Scored): number {
    let [low, high] = [0, this.#ordered.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.#ordered[middle]
      if (found !== undefined && order(found, entry) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

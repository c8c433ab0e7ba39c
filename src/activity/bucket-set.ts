import { bucketCount } from '../events/activity.ts'

const bytes = bucketCount / 8

/** A set of buckets, 8 KB in memory. As text it takes two bytes for each bucket, and 8 KB at most, in Base64. */
export class BucketSet {
  readonly #bits = new Uint8Array(bytes)
  #size = 0

  static decode(text: string): BucketSet {
    const set = new BucketSet()
    const stored = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    if (stored.length === bytes) set.#fill(stored)
    else
      for (let place = 0; place + 1 < stored.length; place += 2)
        set.add(byteAt(stored, place) * 256 + byteAt(stored, place + 1))
    return set
  }

  encode(): string {
    if (this.#size * 2 >= bytes) return toBase64(this.#bits)
    const list = new Uint8Array(this.#size * 2)
    let place = 0
    for (const bucket of this) {
      list[place++] = bucket >>> 8
      list[place++] = bucket & 255
    }
    return toBase64(list)
  }

  get size(): number {
    return this.#size
  }

  has(bucket: number): boolean {
    return (byteAt(this.#bits, bucket >>> 3) & (1 << (bucket & 7))) !== 0
  }

  /** Whether the bucket was not in the set. */
  add(bucket: number): boolean {
    if (this.has(bucket)) return false
    this.#bits[bucket >>> 3] = byteAt(this.#bits, bucket >>> 3) | (1 << (bucket & 7))
    this.#size++
    return true
  }

  /** Whether the bucket was in the set. */
  delete(bucket: number): boolean {
    if (!this.has(bucket)) return false
    this.#bits[bucket >>> 3] = byteAt(this.#bits, bucket >>> 3) & ~(1 << (bucket & 7))
    this.#size--
    return true
  }

  /** The buckets, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (const [place, byte] of this.#bits.entries())
      for (let bit = 0; byte >>> bit !== 0; bit++) if ((byte & (1 << bit)) !== 0) yield place * 8 + bit
  }

  #fill(bits: Uint8Array): void {
    this.#bits.set(bits)
    for (const byte of bits) for (let left = byte; left !== 0; left &= left - 1) this.#size++
  }
}

const byteAt = (list: Uint8Array, place: number): number => list[place] ?? 0

function toBase64(list: Uint8Array): string {
  let text = ''
  for (const byte of list) text += String.fromCharCode(byte)
  return btoa(text)
}

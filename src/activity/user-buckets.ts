import { bucketCount } from '../events/activity.ts'

/** How many buckets are kept as a list, two bytes each; more of them as a bit for each bucket there is. Both take 8 KB then. */
export const listedBuckets = bucketCount / 16

/** The buckets of a user in a socket's attachment: a list, or a bit for each. */
export type StoredBuckets = Uint16Array | Uint8Array

/** The buckets of one user's conversations, in at most 8 KB: two bytes each up to 4,096. */
export class UserBuckets {
  /** Ascending; unused when there are bits. */
  #list: Uint16Array
  #bits: Uint8Array | undefined

  private constructor(stored: StoredBuckets) {
    const isList = stored instanceof Uint16Array
    this.#list = isList ? stored : new Uint16Array(0)
    this.#bits = isList ? undefined : stored
  }

  static of(buckets: Iterable<number>): UserBuckets {
    const list = Uint16Array.from(new Set(buckets)).sort()
    return new UserBuckets(list.length > listedBuckets ? toBits(list) : list)
  }

  /** Of what `stored` returned before the gateway slept. */
  static restore(stored: StoredBuckets): UserBuckets {
    return new UserBuckets(stored)
  }

  /** What goes into the attachment. It changes with this set, so it has to be copied there. */
  get stored(): StoredBuckets {
    return this.#bits ?? this.#list
  }

  /** Whether there are so many that an index by bucket would take more memory than the set itself. */
  get isLarge(): boolean {
    return this.#bits !== undefined
  }

  has(bucket: number): boolean {
    if (this.#bits !== undefined) return hasBit(this.#bits, bucket)
    const place = placeOf(this.#list, bucket)
    return this.#list[place] === bucket
  }

  /** Whether the bucket was not in the set. */
  add(bucket: number): boolean {
    if (this.has(bucket)) return false
    if (this.#list.length === listedBuckets) {
      this.#bits = toBits(this.#list)
      this.#list = new Uint16Array(0)
    }
    if (this.#bits !== undefined) setBit(this.#bits, bucket)
    else this.#list = inserted(this.#list, bucket)
    return true
  }

  /** The buckets, ascending. */
  *[Symbol.iterator](): Generator<number> {
    if (this.#bits === undefined) return yield* this.#list
    for (let bucket = 0; bucket < bucketCount; bucket++) if (hasBit(this.#bits, bucket)) yield bucket
  }
}

/** Where the bucket is in an ascending list, or would be. */
function placeOf(list: Uint16Array, bucket: number): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle] ?? 0) < bucket) low = middle + 1
    else high = middle
  }
  return low
}

function inserted(list: Uint16Array, bucket: number): Uint16Array {
  const place = placeOf(list, bucket)
  const longer = new Uint16Array(list.length + 1)
  longer.set(list.subarray(0, place))
  longer[place] = bucket
  longer.set(list.subarray(place), place + 1)
  return longer
}

function toBits(list: Uint16Array): Uint8Array {
  const bits = new Uint8Array(bucketCount / 8)
  for (const bucket of list) setBit(bits, bucket)
  return bits
}

const hasBit = (bits: Uint8Array, bucket: number): boolean => ((bits[bucket >>> 3] ?? 0) & (1 << (bucket & 7))) !== 0

function setBit(bits: Uint8Array, bucket: number): void {
  bits[bucket >>> 3] = (bits[bucket >>> 3] ?? 0) | (1 << (bucket & 7))
}

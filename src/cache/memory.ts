import { BoundedCache } from 'transitory'

/**
 * A map bounded by bytes, which keeps what is read often (W-TinyLFU). The only file that knows the library: it tidies up
 * by a timer of five seconds after each write, which would keep an actor in memory; tidying up at once clears that timer.
 */
export class Memory<V> {
  readonly #cache: BoundedCache<string, Held<V>>

  constructor(maxBytes: number) {
    this.#cache = new BoundedCache({ maxSize: maxBytes, weigher: (_, { bytes }: Held<V>) => bytes })
  }

  get(key: string): V | undefined {
    return this.#cache.getIfPresent(key)?.value
  }

  set(key: string, value: V, bytes: number): void {
    this.#cache.set(key, { value, bytes: bytes + 2 * key.length + entryBytes })
    this.#cache.cleanUp()
  }

  delete(key: string): void {
    this.#cache.delete(key)
    this.#cache.cleanUp()
  }

  get size(): number {
    return this.#cache.size
  }

  get bytes(): number {
    return this.#cache.weightedSize
  }
}

interface Held<V> {
  readonly value: V
  readonly bytes: number
}

/** What an entry takes beside its key and value. */
const entryBytes = 200

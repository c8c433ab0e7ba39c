import { BoundedMap } from './bounded-map.ts'

/**
 * Answers that are used for a while, the newest `max` of them. After the clock was set back an answer would be used for longer: one that
 * was stored later than now is forgotten.
 */
export class KnownFor<V> {
  readonly #forMs: number
  readonly #known: BoundedMap<string, { readonly value: V; readonly at: number }>

  constructor(forMs: number, max: number) {
    this.#forMs = forMs
    this.#known = new BoundedMap(max)
  }

  /** The answer, as long as it is used. */
  get(key: string, now: number): V | undefined {
    const known = this.#known.get(key)
    return known !== undefined && now >= known.at && now < known.at + this.#forMs ? known.value : undefined
  }

  set(key: string, value: V, now: number): void {
    this.#known.set(key, { value, at: now })
  }

  clear(): void {
    this.#known.clear()
  }
}

/**
 * A Map with at most `max` entries. When it is full, the sixteenth that was set longest ago is dropped, so that a caller
 * that fills it costs the others a few entries and not all of them; setting an entry again makes it the newest.
 */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number

  constructor(max: number) {
    super()
    this.#max = max
  }

  override set(key: K, value: V): this {
    if (!this.delete(key) && this.size >= this.#max) this.#dropOldest()
    return super.set(key, value)
  }

  /** Several at once: an iteration from the start passes over the places of all entries that were deleted there. */
  #dropOldest(): void {
    let left = Math.ceil(this.#max / 16)
    for (const key of this.keys()) {
      if (left-- <= 0) return
      this.delete(key)
    }
  }
}

/** How long a key that was read is warmed. */
export const warmMs = 300_000
const maxKeys = 10_000

/** Keys of cached values that processes read lately, so that they can be loaded again before they expire. Held by one actor. */
export class RecentKeys {
  readonly #readAt = new Map<string, number>()

  /** Keys were read at `now`, in milliseconds. With too many of them the one that was read the longest ago is forgotten. */
  note(keys: readonly string[], now: number): void {
    for (const key of keys) {
      this.#readAt.delete(key)
      this.#readAt.set(key, now)
    }
    for (const [key] of this.#readAt) {
      if (this.#readAt.size <= maxKeys) return
      this.#readAt.delete(key)
    }
  }

  /** The keys that were read within the last five minutes and not taken since. */
  take(now: number): string[] {
    const keys = [...this.#readAt].filter(([, at]) => at > now - warmMs).map(([key]) => key)
    this.#readAt.clear()
    return keys
  }
}

import type { KnownPlace, RecentPlaces } from './ports.ts'

/** Enough for every call that can be under way at once. */
const most = 1024

/** In memory only: a call is repeated within seconds, and rarely across a restart of the topic. */
export class RecentPublishes implements RecentPlaces {
  readonly #places = new Map<string, KnownPlace>()

  find(once: string): KnownPlace | undefined {
    return this.#places.get(once)
  }

  note(once: string, place: KnownPlace): void {
    this.#places.set(once, place)
    if (this.#places.size <= most) return
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest)
      return
    }
  }
}

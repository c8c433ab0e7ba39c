/** A group with a bound on its requests under way: a caller, a tenant, an address. */
export interface Group {
  readonly name: string
  readonly max: number
}

/** Counts the requests under way of each group, also while they wait for the client's bytes. */
export class UnderWay {
  readonly #counts = new Map<string, number>()

  /**
   * Takes a place in every group, or in none: returns the first that is full. Every `enter` that took places needs a
   * `leave`.
   */
  enter(groups: readonly Group[]): Group | undefined {
    const full = groups.find(({ name, max }) => this.of(name) >= max)
    if (full === undefined) for (const { name } of groups) this.#counts.set(name, this.of(name) + 1)
    return full
  }

  leave(groups: readonly Group[]): void {
    for (const { name } of groups) {
      const left = this.of(name) - 1
      if (left > 0) this.#counts.set(name, left)
      else this.#counts.delete(name)
    }
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }
}

/** How many requests of a group one process holds at one time. */
export const maxUnderWay = { user: 256, key: 512, tenant: 512, address: 256, facade: 2048 } as const

import { Listeners } from '../sdk/index.ts'

/** At most so many ids in one request. */
const atOnce = 100
const waitMs = 30

/** Display names of users, asked for when they are first needed. Until then, and where there is none, the id stands for it. */
class Names {
  /** Called when names are known that were not before. */
  readonly changes = new Listeners<undefined>()
  /** Another number whenever a name may have changed. */
  version = 0
  readonly #known = new Map<string, string>()
  readonly #asked = new Set<string>()
  #wanted: string[] = []
  #ask: ((ids: readonly string[]) => Promise<ReadonlyMap<string, string>>) | undefined

  /** From now on names are asked for by `ask`. */
  follow(ask: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>): void {
    this.#ask = ask
  }

  of(user: string): string {
    if (!this.#asked.has(user) && user !== '') {
      this.#asked.add(user)
      this.#wanted.push(user)
      if (this.#wanted.length === 1) setTimeout(() => void this.#askNow(), waitMs)
    }
    return this.#known.get(user) ?? user
  }

  async #askNow(): Promise<void> {
    const wanted = this.#wanted
    this.#wanted = []
    for (let from = 0; from < wanted.length; from += atOnce) {
      const ids = wanted.slice(from, from + atOnce)
      try {
        const found = (await this.#ask?.(ids)) ?? new Map<string, string>()
        for (const [id, name] of found) this.#known.set(id, name)
        if (found.size === 0) continue
        this.version++
        this.changes.tell(undefined)
      } catch {
        // Asked again when they are next shown, not at once.
        setTimeout(() => ids.forEach((id) => this.#asked.delete(id)), 60_000)
      }
    }
  }
}

export const names = new Names()

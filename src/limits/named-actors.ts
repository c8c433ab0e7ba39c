import { spreadMs } from '../kernel/retry.ts'

/** workerd closes an actor, with its files, ten seconds after its last use. */
export const openForMs = 12_000
/** What a tenant may take of the places that are free: three quarters where it is alone, less where others take as well. */
const shareOfFree = 3
/** The same for limiters of the platform, which a process can do without: it then decides alone. */
const smallShareOfFree = 1

/** More actors are in use than the tenant's share: the name is not woken before one of them is closed. */
export class TooManyActors extends Error {
  readonly retryAfterMs: number

  constructor(retryAfterMs: number) {
    super(`actors: too many topics, limiter keys and new conversations at once; wait ${retryAfterMs} ms`)
    this.retryAfterMs = retryAfterMs
  }
}

/** A name that may have an actor: that of a topic, a limiter, a new conversation. */
export interface ActorName {
  readonly kind: 'topic' | 'limiter' | 'conversation'
  readonly tenant: string
  readonly name: string
  /** Whether the caller can do without the actor. */
  readonly isDispensable?: boolean
}

/**
 * Bounds how many actors are open in one process because callers named them. Each costs three descriptors and some
 * 200 KB, whatever it does. A tenant may take a share of the places that are free, so that the last ones stay for
 * others: alone it gets three quarters, two get three sevenths each.
 */
export class NamedActors {
  /** When each was used last, the longest unused first. */
  readonly #used = new Map<string, { readonly tenant: string; readonly at: number }>()
  readonly #ofTenant = new Map<string, number>()

  /** Takes a place for the actor unless it has one. Throws `TooManyActors` when the tenant has its share of `most`. */
  admit(actor: ActorName, now: number, most: number): void {
    this.#forget(now)
    const { kind, tenant, name, isDispensable = false } = actor
    const share = isDispensable ? smallShareOfFree : shareOfFree
    const key = `${kind} ${tenant}/${name}`
    if (!this.#used.has(key) && this.of(tenant) >= share * (most - this.count))
      throw new TooManyActors(this.#waitMs(now))
    if (!this.#used.delete(key)) this.#ofTenant.set(tenant, this.of(tenant) + 1)
    this.#used.set(key, { tenant, at: now })
  }

  get count(): number {
    return this.#used.size
  }

  /** Actors of one tenant. */
  of(tenant: string): number {
    return this.#ofTenant.get(tenant) ?? 0
  }

  #forget(now: number): void {
    for (const [key, { tenant, at }] of this.#used) {
      if (now - at < openForMs) return
      this.#used.delete(key)
      const left = this.of(tenant) - 1
      if (left > 0) this.#ofTenant.set(tenant, left)
      else this.#ofTenant.delete(tenant)
    }
  }

  /** Until the next actor is closed; callers that wait for the same one are told different moments. */
  #waitMs(now: number): number {
    for (const { at } of this.#used.values()) return spreadMs(Math.max(1000, at + openForMs - now), Math.random())
    return 1000
  }
}

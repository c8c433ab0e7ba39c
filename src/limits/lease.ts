/** Tokens a holder may spend on its own until `expiresAt` (milliseconds since the epoch). */
export interface Lease {
  readonly tokens: number
  readonly expiresAt: number
}

/** What a limiter answers to somebody who asks for tokens. */
export type LeaseAnswer =
  | { readonly kind: 'granted'; readonly tokens: number; readonly expiresAt: number }
  | { readonly kind: 'empty'; readonly retryAfterMs: number }

/** One decision of a holder. */
export type Taken = { readonly kind: 'taken' } | { readonly kind: 'limited'; readonly retryAfterMs: number }

/** Asks the limiter of `key` for `want` tokens. */
export type AskForLease = (key: string, want: number) => Promise<LeaseAnswer>

interface Held {
  tokens: number
  expiresAt: number
  /** Nobody needs to ask before this moment: the limiter said so. */
  emptyUntil: number
  /** Tokens asked for next time: doubles while they are used up, starts at one. */
  want: number
  asking: Promise<void> | undefined
}

/**
 * Holds leases for many keys and decides from them: a decision costs arithmetic, and a call only when a lease ran out.
 * Callers of the same key share one question to the limiter.
 */
export class LeaseHolder {
  readonly #held = new Map<string, Held>()
  readonly #keys: number

  /** `keys` bounds the memory: the longest unused keys are forgotten (their tokens return with the refill). */
  constructor(keys = 10_000) {
    this.#keys = keys
  }

  /** Takes one token of `key` without waiting; undefined when the limiter has to be asked first. */
  takeNow(key: string, now: number): Taken | undefined {
    const held = this.#held.get(key)
    if (held === undefined) return undefined
    if (held.tokens >= 1 && held.expiresAt > now) {
      held.tokens -= 1
      return { kind: 'taken' }
    }
    return held.emptyUntil > now ? { kind: 'limited', retryAfterMs: held.emptyUntil - now } : undefined
  }

  /**
   * Takes one token of `key`, asking the limiter when the lease has run out. Throws when it cannot be reached.
   * Callers within one actor share a question; in an edge isolate each request asks for itself (`alone`),
   * since a Worker's request must not wait for the I/O of another.
   */
  async take(key: string, ask: AskForLease, clock: () => number, alone = false): Promise<Taken> {
    for (;;) {
      const taken = this.takeNow(key, clock())
      if (taken !== undefined) return taken
      const held = this.#hold(key)
      await (alone ? this.#renew(key, held, ask, clock) : this.#renewOnce(key, held, ask, clock))
    }
  }

  async #renewOnce(key: string, held: Held, ask: AskForLease, clock: () => number): Promise<void> {
    held.asking ??= this.#renew(key, held, ask, clock).finally(() => {
      held.asking = undefined
    })
    await held.asking
  }

  async #renew(key: string, held: Held, ask: AskForLease, clock: () => number): Promise<void> {
    const answer = await ask(key, held.want)
    if (answer.kind === 'empty') {
      held.tokens = 0
      held.emptyUntil = clock() + answer.retryAfterMs
      held.want = 1
      return
    }
    held.tokens = (held.expiresAt > clock() ? held.tokens : 0) + answer.tokens
    held.expiresAt = answer.expiresAt
    held.want = answer.tokens < held.want ? answer.tokens : Math.min(held.want * 2, 4096)
  }

  #hold(key: string): Held {
    const known = this.#held.get(key)
    if (known !== undefined) return known
    this.#forgetOldest()
    const held: Held = { tokens: 0, expiresAt: 0, emptyUntil: 0, want: 1, asking: undefined }
    this.#held.set(key, held)
    return held
  }

  #forgetOldest(): void {
    if (this.#held.size < this.#keys) return
    const oldest = this.#held.keys().next().value
    if (oldest !== undefined) this.#held.delete(oldest)
  }
}

import { BoundedMap } from '../kernel/bounded-map.ts'
import type { Claims, SigningKey } from './claims.ts'

interface CachedToken {
  readonly claims: Claims
  /** It was valid at this time, and is until the other, in milliseconds since the epoch. */
  readonly from: number
  readonly until: number
}

/** Tokens of one key; beyond this many the oldest are dropped. */
const maxTokens = 1000

/**
 * Tokens that were found valid, by the key that signed them: over HTTP a client sends the same one with each request.
 * They are dropped with their key, which is kept as long as the tenant's record is cached; whether a token was revoked
 * is looked up elsewhere, each time.
 */
export class TokenCache {
  readonly #byKey = new WeakMap<SigningKey, BoundedMap<string, CachedToken>>()

  /** The claims of a token, if it was found valid under one of these keys and has not expired at `now`. */
  find(token: string, keys: readonly SigningKey[], now: number): Claims | undefined {
    for (const key of keys) {
      const known = this.#byKey.get(key)?.get(token)
      if (known !== undefined && now >= known.from && now < known.until) return known.claims
    }
    return undefined
  }

  /** Keeps a token that is valid from `now` until `until`. */
  add(token: string, key: SigningKey, remembered: CachedToken): void {
    const tokens = this.#byKey.get(key) ?? new BoundedMap<string, CachedToken>(maxTokens)
    this.#byKey.set(key, tokens)
    tokens.set(token, remembered)
  }
}

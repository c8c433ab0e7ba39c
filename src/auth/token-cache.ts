import type { Claims, SigningKey } from './token.ts'

interface CachedToken {
  readonly claims: Claims
  /** It was good at this time, and is until the other, in milliseconds since the epoch. */
  readonly from: number
  readonly until: number
}

/** Tokens of one key; who comes after so many pushes out who came first. */
const most = 1000

/**
 * Tokens that were found good, by the key that signed them: over HTTP a client shows the same one with each request. They
 * are forgotten with their key, which is as long remembered as the tenant's record is believed; what was revoked meanwhile
 * is asked elsewhere, each time.
 */
export class TokenCache {
  readonly #byKey = new WeakMap<SigningKey, Map<string, CachedToken>>()

  /** What a token says, if it was found good under one of these keys and its time has not passed at `now`. */
  find(token: string, keys: readonly SigningKey[], now: number): Claims | undefined {
    for (const key of keys) {
      const known = this.#byKey.get(key)?.get(token)
      if (known !== undefined && now >= known.from && now < known.until) return known.claims
    }
    return undefined
  }

  /** Remembers a token that is good from `now` until `until`. */
  add(token: string, key: SigningKey, remembered: CachedToken): void {
    const tokens = this.#byKey.get(key) ?? new Map<string, CachedToken>()
    this.#byKey.set(key, tokens)
    for (const [oldest] of tokens) {
      if (tokens.size < most) break
      tokens.delete(oldest)
    }
    tokens.set(token, remembered)
  }
}

import { BoundedMap } from '../kernel/bounded-map.ts'
import type { Claims, SigningKey } from './claims.ts'

interface CachedToken {
  readonly claims: Claims
  /** It was valid at this time, and is until the other, in milliseconds since the epoch. */
  readonly from: number
  readonly until: number
}

/** So many tokens are kept, those of all tenants together, so that all clients that lost their connections at once can return. */
const maxTokens = 16_384
/** A longer token is not kept. */
const maxLength = 1024

/**
 * Tokens that were found valid, with the key that signed them: a client sends the same one with each request, and with each
 * connect. A token is found under the keys that its tenant has now only; whether it was revoked is looked up elsewhere, each
 * time.
 */
export class TokenCache {
  readonly #tokens = new BoundedMap<string, CachedToken & { readonly key: SigningKey }>(maxTokens)

  /** The claims of a token, if it was found valid under one of these keys and has not expired at `now`. */
  find(token: string, keys: readonly SigningKey[], now: number): Claims | undefined {
    const known = this.#tokens.get(token)
    if (known === undefined || now < known.from || now >= known.until) return undefined
    return keys.some((key) => isSame(key, known.key)) ? known.claims : undefined
  }

  /** The tenant whose key signed a token that was found valid. */
  tenantOf(token: string): string | undefined {
    return this.#tokens.get(token)?.claims.tenant
  }

  clear(): void {
    this.#tokens.clear()
  }

  /** Keeps a token that is valid from `now` until `until`. */
  add(token: string, key: SigningKey, remembered: CachedToken): void {
    if (token.length <= maxLength) this.#tokens.set(token, { ...remembered, key })
  }
}

/** A tenant's record is read again every few seconds, and its keys are other objects then. */
function isSame(one: SigningKey, other: SigningKey): boolean {
  if (one === other) return true
  if (one.id !== other.id || one.algorithm !== other.algorithm) return false
  if (one.algorithm === 'HS256') return other.algorithm === 'HS256' && one.secret === other.secret
  return other.algorithm !== 'HS256' && JSON.stringify(one.publicKey) === JSON.stringify(other.publicKey)
}

import { readOverrides, subscriptionClaims, type Overrides } from './claims.ts'
import type { SigningKey } from './claims.ts'
import { endOf, readToken, type TokenRules } from './token.ts'

/**
 * Permission to subscribe to one channel. `expiresAt` in milliseconds since the epoch, 0 for never; `info` is JSON
 * text.
 */
export interface SubscriptionClaims {
  readonly kind: 'ticket'
  readonly expiresAt: number
  readonly info?: string
  readonly overrides: Overrides
}

/**
 * Reads a subscription token for this connection and channel. `mismatch`: it is valid, but for another user or channel,
 * which no honest client ever presents.
 */
export async function verifySubscription(
  token: string,
  bearer: { readonly user: string; readonly client: string; readonly channel: string },
  keys: readonly SigningKey[],
  rules: TokenRules,
  now: number,
): Promise<SubscriptionClaims | { readonly kind: 'expired' | 'notYetValid' | 'invalid' | 'mismatch' }> {
  const read = await readToken(token, subscriptionClaims, keys, rules, now)
  if (read.kind !== 'read') return read
  const { claims } = read
  const isTheirs = claims.sub === bearer.user && (claims.client ?? bearer.client) === bearer.client
  if (!isTheirs || claims.channel !== bearer.channel) return { kind: 'mismatch' }
  const info = claims.info ?? claims.b64info
  return {
    kind: 'ticket',
    expiresAt: endOf(claims),
    ...(info === undefined ? {} : { info }),
    overrides: readOverrides(claims.override),
  }
}

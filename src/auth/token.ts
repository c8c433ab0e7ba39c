import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose'

/** A key that signs or verifies; the algorithm belongs to the key (RFC 8725 §3.1). */
export interface SigningKey {
  readonly id: string
  readonly secret: string
  readonly algorithm: 'HS256'
}

/** Who a verified token speaks for. Times are in milliseconds since the epoch; `issuedAt` is 0 when it says none. */
export interface Claims {
  readonly tenant: string
  readonly user: string
  readonly expiresAt: number
  readonly issuedAt: number
}

/** What a token turned out to be. */
export type Verified =
  | { readonly kind: 'verified'; readonly claims: Claims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' }

const bytes = (secret: string) => new TextEncoder().encode(secret)

/**
 * Signs a user token: `sub` the user, `tid` the tenant, `exp` and `iat` in seconds. `iat` keeps its milliseconds, as
 * RFC 7519 §2 allows: a token issued right after her others were revoked must not look older than that.
 */
export function signToken(key: SigningKey, claims: Omit<Claims, 'issuedAt'>, now: number): Promise<string> {
  return new SignJWT({ tid: claims.tenant })
    .setProtectedHeader({ alg: key.algorithm, typ: 'JWT', kid: key.id })
    .setSubject(claims.user)
    .setIssuedAt(now / 1000)
    .setExpirationTime(Math.floor(claims.expiresAt / 1000))
    .sign(bytes(key.secret))
}

/** The tenant and user a token claims to be of; proves nothing. */
export function claimedBy(token: string): { readonly tenant: string; readonly user: string } | undefined {
  try {
    const { tid, sub } = decodeJwt(token)
    return typeof tid === 'string' ? { tenant: tid, user: sub ?? '' } : undefined
  } catch {
    return undefined
  }
}

/** The tenant a token claims to be of; only tells whose keys to verify it with. */
export const tenantOfToken = (token: string): string | undefined => claimedBy(token)?.tenant

/** Verifies signature, algorithm, tenant and times against the tenant's keys. `sub` and `exp` must be there. */
export async function verifyToken(
  token: string,
  tenant: string,
  keys: readonly SigningKey[],
  now: number,
): Promise<Verified> {
  const key = keyFor(token, keys)
  if (key === undefined) return { kind: 'invalid' }
  try {
    const { payload } = await jwtVerify(token, bytes(key.secret), {
      algorithms: [key.algorithm],
      currentDate: new Date(now),
      requiredClaims: ['sub', 'exp'],
    })
    const { sub, exp, iat = 0, tid, channel } = payload
    if (sub === undefined || exp === undefined || tid !== tenant || channel !== undefined) return { kind: 'invalid' }
    return { kind: 'verified', claims: { tenant, user: sub, expiresAt: exp * 1000, issuedAt: iat * 1000 } }
  } catch (thrown) {
    return { kind: thrown instanceof errors.JWTExpired ? 'expired' : 'invalid' }
  }
}

/** The key a token names by `kid`, or the newest one when it names none (tokens made by the tenant's own server). */
function keyFor(token: string, keys: readonly SigningKey[]): SigningKey | undefined {
  try {
    const { kid } = decodeProtectedHeader(token)
    return kid === undefined ? keys[0] : keys.find(({ id }) => id === kid)
  } catch {
    return undefined
  }
}

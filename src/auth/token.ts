import {
  CompactSign,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  type CryptoKey,
  type JWTPayload,
} from 'jose'
import { z } from 'zod'
import { canonicalChannel } from '../protocol/channels.ts'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { encodeWith } from '../kernel/json.ts'
import { GivenJson, readGiven, withoutNulls } from '../protocol/given-json.ts'
import {
  connectionClaims,
  readOverrides,
  type Claims,
  type SecretKey,
  type ServerSubscription,
  type SigningKey,
} from './claims.ts'
import { TokenCache } from './token-cache.ts'

/** The result of reading a token. */
export type Verified =
  | { readonly kind: 'verified'; readonly claims: Claims }
  | { readonly kind: 'expired' }
  /** Its `nbf` is further ahead than the leeway; the same token may be valid later. */
  | { readonly kind: 'notYetValid' }
  | { readonly kind: 'invalid' }

/** Why a token is refused whose key may have been published a moment ago. The same token may be valid a moment later. */
export const keyNotFetched = 'kid: the keys at your address are being fetched; try again'

/** Why such a token is refused. Over sockets it is answered like an expired one: SDKs then fetch another. */
export const notYetValid = 'nbf: the token is not valid yet'

/** What a token must contain: its tenant, unless it `mayOmitTenant`, and when it ends, unless it `mayLast` for ever. */
export interface TokenRules {
  readonly tenant: string
  readonly mayOmitTenant: boolean
  readonly mayLast: boolean
}

/**
 * How far ahead `nbf` may be, in seconds: the clocks of the tenant's server and of the platform differ. `exp` has no
 * leeway.
 */
const notBeforeLeewaySeconds = 30

const bytes = (text: string) => new TextEncoder().encode(text)

/**
 * Signs a user token: `sub` the user, `tid` the tenant, `exp` and `iat` in seconds, and further claims, of which
 * `texts` are JSON text already. `iat` keeps its milliseconds, as RFC 7519 §2 allows: a token issued right after the
 * user's others were revoked must not look older.
 */
export function signToken(
  key: SecretKey,
  claims: Pick<Claims, 'tenant' | 'user' | 'expiresAt'>,
  now: number,
  more: JWTPayload = {},
  texts: Readonly<Record<string, string | undefined>> = {},
): Promise<string> {
  const times = { iat: now / 1000, exp: Math.floor(claims.expiresAt / 1000) }
  const payload = encodeWith({ ...more, tid: claims.tenant, sub: claims.user, ...times }, texts)
  return new CompactSign(bytes(payload))
    .setProtectedHeader({ alg: key.algorithm, typ: 'JWT', kid: key.id })
    .sign(bytes(key.secret))
}

/** The tenant and user that a token names; proves nothing. */
export function claimedBy(token: string): { readonly tenant: string; readonly user: string } | undefined {
  try {
    const { tid, sub } = decodeJwt(token)
    return typeof tid === 'string' ? { tenant: tid, user: sub ?? '' } : undefined
  } catch {
    return undefined
  }
}

/** The tenant that a token names; only says whose keys to verify it with. */
export const tenantOfToken = (token: string): string | undefined =>
  remembered.tenantOf(token) ?? claimedBy(token)?.tenant

/**
 * Verifies a connection token against the tenant's keys. In the open profile it need name neither a tenant nor an end.
 */
export async function verifyToken(
  token: string,
  tenant: string,
  keys: readonly SigningKey[],
  now: number,
  isOpen = false,
): Promise<Verified> {
  const known = isOpen ? undefined : remembered.find(token, keys.filter(inForceAt(now)), now)
  if (known?.tenant === tenant) return { kind: 'verified', claims: known }
  const rules = { tenant, mayOmitTenant: isOpen, mayLast: isOpen }
  const read = await readToken(token, connectionClaims, keys, rules, now)
  if (read.kind !== 'read') return read
  const claims = toClaims(tenant, read.claims)
  if (read.endsAt !== undefined && !isOpen) remembered.add(token, read.key, { claims, from: now, until: read.endsAt })
  return { kind: 'verified', claims }
}

/** Shared by an isolate. The open profile verifies under other rules and does not use it. */
const remembered = new TokenCache()

/** Forgets the tokens that were found valid, for tests that share a process. */
export const forgetTokens = (): void => remembered.clear()

/** A token's claims, and when it ends, in milliseconds since the epoch, if it does. */
export interface ReadToken<C> {
  readonly kind: 'read'
  readonly claims: C
  readonly endsAt: number | undefined
  /** The key that signed it. */
  readonly key: SigningKey
}

/**
 * Verifies signature, algorithm, tenant and times, and reads the claims. A token is checked against the key that its
 * `kid` names; one without `kid` against each key in turn.
 */
export async function readToken<S extends z.ZodType>(
  token: string,
  schema: S,
  keys: readonly SigningKey[],
  rules: TokenRules,
  now: number,
): Promise<ReadToken<z.output<S>> | Exclude<Verified, { kind: 'verified' }>> {
  if (!isCompact(token)) return { kind: 'invalid' }
  for (const key of keysFor(token, keys).filter(inForceAt(now))) {
    const read = await readWith(key, token, schema, rules, now)
    if (read.kind !== 'invalid') return read
  }
  return { kind: 'invalid' }
}

async function readWith<S extends z.ZodType>(
  key: SigningKey,
  token: string,
  schema: S,
  { tenant, mayOmitTenant, mayLast }: TokenRules,
  now: number,
): Promise<ReadToken<z.output<S>> | Exclude<Verified, { kind: 'verified' }>> {
  try {
    const verified = await compactVerify(token, await verifying(key), { algorithms: [key.algorithm] })
    const text = utf8.decode(verified.payload)
    const payload = new GivenJson(JSON.parse(text), text)
    const { tid, exp, nbf } = ownClaims.parse(withoutNulls(ownClaims, payload.value))
    if (exp === undefined && !mayLast) return { kind: 'invalid' }
    const nowSeconds = Math.floor(now / 1000)
    if (exp !== undefined && exp <= nowSeconds) return { kind: 'expired' }
    if (nbf !== undefined && nbf > nowSeconds + notBeforeLeewaySeconds) return { kind: 'notYetValid' }
    const claims = readGiven(schema, payload)
    const isOurs = tid === tenant || (mayOmitTenant && tid === undefined)
    const endsAt = exp === undefined ? undefined : exp * 1000
    return claims.success && isOurs ? { kind: 'read', claims: claims.data, endsAt, key } : { kind: 'invalid' }
  } catch {
    return { kind: 'invalid' }
  }
}

/**
 * Whether a token is written in the only form RFC 7515 allows: three parts in base64url, without padding and without
 * unused bits. A more lenient decoder would accept the same token in many spellings.
 */
function isCompact(token: string): boolean {
  const parts = token.split('.')
  return parts.length === 3 && parts.every(isBase64Url)
}

const base64Url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/**
 * Bits of the last character that belong to no byte, by the length of a text modulo four; a single character holds no
 * byte.
 */
const spareBits = [0, undefined, 4, 2]

function isBase64Url(text: string): boolean {
  const spare = spareBits[text.length % 4]
  if (spare === undefined || !/^[A-Za-z0-9_-]+$/.test(text)) return false
  return base64Url.indexOf(text.slice(-1)) % 2 ** spare === 0
}

/** The times of every token, in seconds since the epoch. */
const ownClaims = z.object({ tid: z.string().optional(), exp: z.number().optional(), nbf: z.number().optional() })

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Imported keys, for as long as their tenant's record is cached: every request verifies a token. */
const imported = new WeakMap<SigningKey, CryptoKey | Uint8Array>()

async function verifying(key: SigningKey): Promise<CryptoKey | Uint8Array> {
  const known = imported.get(key)
  if (known !== undefined) return known
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const made =
    key.algorithm === 'HS256'
      ? await crypto.subtle.importKey('raw', bytes(key.secret), hmac, false, ['verify'])
      : await importJWK(key.publicKey, key.algorithm)
  imported.set(key, made)
  return made
}

/** When access granted by a token ends: by its `expire_at` if present (0: never), else with the token. */
export const endOf = ({
  exp = 0,
  expire_at,
}: {
  readonly exp?: number | undefined
  readonly expire_at?: number | undefined
}) => expire_at ?? exp

function toClaims(tenant: string, claims: z.output<typeof connectionClaims>): Claims {
  const info = claims.info ?? claims.b64info
  const subscriptions = serverSubscriptions(claims)
  return {
    tenant,
    user: claims.sub,
    expiresAt: endOf(claims),
    issuedAt: claims.iat,
    ...(info === undefined ? {} : { info }),
    ...(claims.caps === undefined ? {} : { capabilities: claims.caps }),
    ...(subscriptions.length === 0 ? {} : { subscriptions }),
  }
}

function serverSubscriptions({ channels, subs }: z.output<typeof connectionClaims>): ServerSubscription[] {
  const detailed = new Map(Object.entries(subs).map(([channel, sub]) => [canonicalChannel(channel), sub]))
  const plain = [...new Set(channels.map(canonicalChannel))].filter((channel) => !detailed.has(channel))
  return [
    ...plain.map((channel) => ({ channel, overrides: {} })),
    ...[...detailed].map(([channel, sub]) => {
      const info = sub.info ?? sub.b64info
      const data = sub.data ?? sub.b64data
      return {
        channel,
        ...(info === undefined ? {} : { info }),
        ...(data === undefined ? {} : { data }),
        overrides: readOverrides(sub.override),
      }
    }),
  ]
}

/** The key that a token names by `kid`; all of them when it names none, as tokens from a tenant's own server may. */
function keysFor(token: string, keys: readonly SigningKey[]): readonly SigningKey[] {
  const kid = keyIdOf(token)
  return kid === undefined ? keys : keys.filter(({ id }) => id === kid)
}

/**
 * Whether a token names a key that is not among these. The key may be newer than the cached tenant, so the tenant's
 * actor is asked again before the token is called invalid.
 */
export function namesUnknownKey(token: string, keys: readonly SigningKey[]): boolean {
  const kid = keyIdOf(token)
  return kid !== undefined && !keys.some(({ id }) => id === kid)
}

/** The header of a token is the same text in all tokens of a key. */
const keyIds = new BoundedMap<string, string | undefined>(256)
const maxHeaderLength = 256

function keyIdOf(token: string): string | undefined {
  const header = token.slice(0, Math.max(0, token.indexOf('.')))
  if (keyIds.has(header)) return keyIds.get(header)
  const id = decodedKeyId(token)
  if (header.length <= maxHeaderLength) keyIds.set(header, id)
  return id
}

function decodedKeyId(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid
  } catch {
    return undefined
  }
}

const inForceAt =
  (now: number) =>
  ({ until }: SigningKey): boolean =>
    until === undefined || until > now

import { z } from 'zod'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { maxKeySets } from '../protocol/key-sets-api.ts'
import { givenPublicKey, publicKey, publicKeyAlgorithm } from '../protocol/public-keys.ts'
import { signingKeyId } from '../protocol/signing-keys-api.ts'
import type { TokenKey } from './record.ts'

/** Keys of one set that are kept; identity providers publish two to four. */
const maxKeys = 10
/** A set is fetched again when it is used and older than this, in milliseconds. */
const refreshMs = 15 * 60_000
/** The least time between two attempts, also when tokens name unknown keys. */
const cooldownMs = 30_000
/** Keys of a set that could not be fetched for so long verify no more. */
const maxStaleMs = 24 * 3_600_000
/** A key that the set no longer lists verifies for so long, as caches between us and its author are. */
const overlapMs = 5 * 60_000

const setKey = z.object({
  id: z.string(),
  publicKey,
  algorithm: publicKeyAlgorithm,
  /** When it stops verifying, since the set no longer lists it. */
  until: z.number().optional(),
})
type SetKey = z.output<typeof setKey>

/** A tenant's key set: where it is, and what was found there. Times in milliseconds since the epoch. */
export const keySet = z.object({
  name: z.string(),
  url: z.string(),
  keys: z.array(setKey),
  fetchedAt: z.number(),
  triedAt: z.number(),
  failure: z.string().optional(),
})
export type KeySet = z.output<typeof keySet>

/** What an address answered: the keys in it, or why there are none. */
export type FetchedKeys =
  | { readonly kind: 'keys'; readonly keys: readonly SetKey[] }
  | { readonly kind: 'failed'; readonly reason: string }

const jwks = z.object({ keys: z.array(z.unknown()).max(100) })

/**
 * Reads a JSON Web Key Set. Keys without `kid`, for encryption or of other algorithms are left out, as RFC 7517 §5 asks; a set
 * without any key for signatures is a failure.
 */
export function readKeySet(text: string): FetchedKeys {
  const parsed = jwks.safeParse(jsonOf(text))
  if (!parsed.success) return { kind: 'failed', reason: 'not a JSON Web Key Set of at most 100 keys' }
  const keys = parsed.data.keys.flatMap((jwk) => {
    const given = givenPublicKey.safeParse(jwk)
    const id = signingKeyId.safeParse(given.data?.kid)
    return given.success && id.success
      ? [{ id: id.data, publicKey: given.data.key, algorithm: given.data.algorithm }]
      : []
  })
  const distinct = [...new Map(keys.map((key) => [key.id, key])).values()].slice(0, maxKeys)
  return distinct.length > 0
    ? { kind: 'keys', keys: distinct }
    : { kind: 'failed', reason: 'no key with a kid of letters, digits, "_" and "-" for ES256, EdDSA or RS256' }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The set after an attempt to fetch it. While it cannot be fetched its keys stay; one that is no longer listed ends soon. */
export function afterFetch(set: KeySet, fetched: FetchedKeys, now: number): KeySet {
  if (fetched.kind === 'failed') return { ...set, triedAt: now, failure: fetched.reason }
  const { failure: _, ...rest } = set
  const listed = new Set(fetched.keys.map(({ id }) => id))
  const ending = set.keys
    .filter(({ id, until }) => !listed.has(id) && (until === undefined || until > now))
    .map((key) => ({ ...key, until: key.until ?? now + overlapMs }))
  return { ...rest, keys: [...fetched.keys, ...ending].slice(0, 2 * maxKeys), fetchedAt: now, triedAt: now }
}

/** The keys of all sets that verify at `now`. */
export const keysOfSets = (sets: readonly KeySet[], now: number): TokenKey[] =>
  sets.flatMap(({ keys, fetchedAt }) => {
    const staleAt = fetchedAt + maxStaleMs
    return keys
      .map((key) => ({ ...key, until: Math.min(staleAt, key.until ?? staleAt) }))
      .filter(({ until }) => until > now)
  })

/** Sets to fetch since the tenant is used. */
export const dueSets = (sets: readonly KeySet[], now: number): KeySet[] =>
  sets.filter(({ fetchedAt, triedAt }) => now - fetchedAt >= refreshMs && now - triedAt >= cooldownMs)

/** Sets to fetch since a token names a key that none of them has. */
export const setsThatMayHaveMore = (sets: readonly KeySet[], now: number): KeySet[] =>
  sets.filter(({ triedAt }) => now - triedAt >= cooldownMs)

/** Whether a key may have been published that is not known here: a set was not fetched since, or is being fetched. */
export const mayHaveMore = (sets: readonly KeySet[], fetching: ReadonlySet<string>, now: number): boolean =>
  sets.some(({ name, triedAt, failure }) => fetching.has(name) || failure !== undefined || now - triedAt >= cooldownMs)

/** Adds or replaces a set. */
export function putKeySet(
  sets: readonly KeySet[],
  set: KeySet,
): { readonly kind: 'set'; readonly sets: KeySet[] } | Refusal {
  const others = sets.filter(({ name }) => name !== set.name)
  return others.length < maxKeySets
    ? { kind: 'set', sets: [...others, set] }
    : refuse('limitExceeded', `at most ${maxKeySets} key sets; delete one first`)
}

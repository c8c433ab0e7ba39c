import { refuse, type Refusal } from '../protocol/errors.ts'
import { maxSigningKeys } from '../protocol/signing-keys-api.ts'
import type { TokenKey } from './record.ts'

type SecretTokenKey = Extract<TokenKey, { algorithm: 'HS256' }>

/** A tenant's signing keys after a change, or why it cannot be made. */
export type KeyChange = { readonly kind: 'changed'; readonly keys: readonly TokenKey[] } | Refusal

/** Keys that verify at `now`. The first of them with a secret and without an end signs what POST /v1/tokens issues. */
export const keysInForce = (keys: readonly TokenKey[], now: number): TokenKey[] =>
  keys.filter(({ until }) => until === undefined || until > now)

/** The key that POST /v1/tokens signs with. */
export const issuingKey = (keys: readonly TokenKey[]): SecretTokenKey | undefined =>
  keys.find((key): key is SecretTokenKey => key.algorithm === 'HS256' && key.until === undefined)

/** Adds a key beside the others. */
export function addSigningKey(keys: readonly TokenKey[], key: TokenKey, now: number): KeyChange {
  const inForce = keysInForce(keys, now)
  if (inForce.some(({ id }) => id === key.id)) return taken(key.id)
  return inForce.length < maxSigningKeys ? { kind: 'changed', keys: [...inForce, key] } : tooMany()
}

/** Puts `successor` in the place of a key, which verifies for `overlapMs` longer. */
export function rotateSigningKey(
  keys: readonly TokenKey[],
  id: string,
  successor: TokenKey,
  overlapMs: number,
  now: number,
): KeyChange {
  const inForce = keysInForce(keys, now)
  const old = inForce.find((key) => key.id === id)
  if (old === undefined) return missing(id)
  if (old.until !== undefined) return refuse('conflict', `key: ${id} was rotated before; rotate its successor`)
  if (inForce.some((key) => key.id === successor.id)) return taken(successor.id)
  if (overlapMs > 0 && inForce.length >= maxSigningKeys) return tooMany()
  const left = inForce.filter((key) => key !== old)
  if (issuingKey([...left, successor]) === undefined) return lastSecret(id)
  return {
    kind: 'changed',
    keys: inForce.flatMap((key) => {
      if (key !== old) return [key]
      return overlapMs > 0 ? [successor, { ...old, until: now + overlapMs }] : [successor]
    }),
  }
}

/** Takes a key out of use at once. The last key with a secret and without an end stays: POST /v1/tokens needs one. */
export function revokeSigningKey(keys: readonly TokenKey[], id: string, now: number): KeyChange {
  const inForce = keysInForce(keys, now)
  if (!inForce.some((key) => key.id === id)) return missing(id)
  const left = inForce.filter((key) => key.id !== id)
  if (issuingKey(left) === undefined) return lastSecret(id)
  return { kind: 'changed', keys: left }
}

const tooMany = () => refuse('limitExceeded', `at most ${maxSigningKeys} signing keys; revoke one first`)
const taken = (id: string) => refuse('conflict', `id: there is a signing key ${id} already; choose another`)
const lastSecret = (id: string) =>
  refuse(
    'conflict',
    `key: ${id} is the only key with a secret left, which POST /v1/tokens needs; rotate it with overlapSeconds 0`,
  )
const missing = (id: string) => refuse('notFound', `key: there is no signing key ${id}`)

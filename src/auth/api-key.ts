import { randomToken, sha256 } from '../kernel/id.ts'

/** A new API key: `parley_<tenant>_<43 random characters>` (256 bits), shown once; only its hash is kept. */
export const newApiKey = (tenant: string): string => `parley_${tenant}_${randomToken(43)}`

/** The tenant that a key names; undefined when it does not have the form of our keys. Proves nothing yet. */
export function tenantOfKey(key: string): string | undefined {
  return /^parley_([a-z0-9-]{1,63}(?:\.[a-z-]{2,16})?)_[A-Za-z0-9_-]{43}$/.exec(key)?.[1]
}

/** The hash under which a key is kept. A plain digest suffices for 256 random bits, which cannot be guessed. */
export const hashApiKey = (key: string): Promise<string> => sha256(key)

/** Finds the key with this hash; compares every byte of every candidate, so that the time taken reveals nothing. */
export function findKey<K extends { readonly hash: string }>(keys: readonly K[], hash: string): K | undefined {
  return keys.filter((key) => equalInConstantTime(key.hash, hash))[0]
}

function equalInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

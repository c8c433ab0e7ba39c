import type { Stamp } from './epochs.ts'
import type { CacheOptions, SharedForm } from './options.ts'

/** A value with what decides whether it is used. Times are in milliseconds since the epoch. */
export interface Entry<V> {
  /** Undefined: the owner has no such value. */
  readonly value: V | undefined
  /** When its load began in this process; -Infinity when it came from another. */
  readonly loadedAt: number
  readonly expiresAt: number
  /** How long its load took. */
  readonly tookMs: number
  /** The newest invalidation known before its load began; undefined when none was, or when it has no tags. */
  readonly stamp: Stamp | undefined
  readonly tags: readonly string[]
}

/** What becomes of an entry that was not invalidated: used, used and loaded again meanwhile, or not used. */
export type Age = 'fresh' | 'early' | 'stale' | 'expired'

type Lifetime = Pick<CacheOptions<never>, 'ttlMs' | 'jitter' | 'staleMs' | 'beta' | 'negativeMs'>

/** When a value whose load began at `loadedAt` expires; `random` is in [0, 1). */
export function expiryOf(isThere: boolean, loadedAt: number, random: number, options: Lifetime): number {
  return loadedAt + (isThere ? options.ttlMs * (1 - options.jitter * random) : options.negativeMs)
}

/**
 * The age of an entry. Early refresh is XFetch: a read refreshes with the probability e^(-left/(beta·took)), so that one
 * of many readers does so shortly before the expiry. `random` is in [0, 1).
 */
export function ageOf(
  { value, expiresAt, tookMs }: Pick<Entry<unknown>, 'value' | 'expiresAt' | 'tookMs'>,
  now: number,
  random: number,
  { beta, staleMs }: Lifetime,
): Age {
  if (now >= expiresAt) return value !== undefined && now < expiresAt + staleMs ? 'stale' : 'expired'
  // 1 - random lies in (0, 1]: the logarithm is finite, and 0 at most.
  return now - tookMs * beta * Math.log(1 - random) >= expiresAt ? 'early' : 'fresh'
}

/** An entry as the shared tier keeps it: a line of JSON about the value, then the value as text. */
export function storedForm<V>({ expiresAt, tookMs, stamp }: Entry<V>, text: string): string {
  const about = { until: Math.round(expiresAt), took: tookMs, ...(stamp && { log: stamp.log, seq: stamp.seq }) }
  return `${JSON.stringify(about)}\n${text}`
}

/** An entry from the shared tier; undefined when it is none, has expired, or claims to live longer than it could. */
export function readStored<V>(
  stored: string,
  tags: readonly string[],
  now: number,
  { shared, ttlMs, staleMs }: Pick<CacheOptions<V>, 'shared' | 'ttlMs' | 'staleMs'>,
): Entry<V> | undefined {
  const end = stored.indexOf('\n')
  const about = end < 0 ? undefined : jsonIn(stored.slice(0, end))
  if (typeof about !== 'object' || about === null || shared === undefined) return undefined
  const { until, took, log, seq }: Partial<Record<string, unknown>> = { ...about }
  if (typeof until !== 'number' || typeof took !== 'number' || !(took >= 0)) return undefined
  if (!(until + staleMs > now) || until > now + ttlMs + clockSkewMs) return undefined
  const stamp = typeof log === 'string' && typeof seq === 'number' ? { log, seq } : undefined
  if (tags.length > 0 && stamp === undefined) return undefined
  const value = shared.decode(stored.slice(end + 1))
  return value === undefined ? undefined : { value, loadedAt: -Infinity, expiresAt: until, tookMs: took, stamp, tags }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Values that the shared tier keeps as JSON; `parse` answers undefined for any that is none of them. */
export const asJson = <V>(parse: (value: unknown) => V | undefined): SharedForm<V> => ({
  encode: (value) => JSON.stringify(value),
  decode: (text) => parse(jsonIn(text)),
})

/** How far the clocks of two processes may differ. */
const clockSkewMs = 60_000

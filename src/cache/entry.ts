import type { Stamp } from './epochs.ts'
import type { CacheOptions } from './options.ts'

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

/** An entry as the shared tier keeps it. */
export function storedForm<V>({ value, expiresAt, tookMs, stamp }: Entry<V>): object {
  return { value, until: Math.round(expiresAt), took: tookMs, ...(stamp && { log: stamp.log, seq: stamp.seq }) }
}

/** An entry from the shared tier; undefined when it is none, has expired, or claims to live longer than it could. */
export function readStored<V>(
  stored: unknown,
  tags: readonly string[],
  now: number,
  { parse, ttlMs, staleMs }: Pick<CacheOptions<V>, 'parse' | 'ttlMs' | 'staleMs'>,
): Entry<V> | undefined {
  if (typeof stored !== 'object' || stored === null || parse === undefined) return undefined
  const { value, until, took, log, seq } = stored as Partial<Record<string, unknown>>
  if (typeof until !== 'number' || typeof took !== 'number' || !(took >= 0)) return undefined
  if (!(until + staleMs > now) || until > now + ttlMs + clockSkewMs) return undefined
  const stamp = typeof log === 'string' && typeof seq === 'number' ? { log, seq } : undefined
  if (tags.length > 0 && stamp === undefined) return undefined
  const parsed = parse(value)
  return parsed === undefined
    ? undefined
    : { value: parsed, loadedAt: -Infinity, expiresAt: until, tookMs: took, stamp, tags }
}

/** How far the clocks of two processes may differ. */
const clockSkewMs = 60_000

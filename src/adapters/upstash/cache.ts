import { Redis } from '@upstash/redis/cloudflare'
import type { Config } from '../../config.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf, type RequestContext } from '../../kernel/request-context.ts'
import { redis as redisService } from '../dependencies.ts'
import { CallRefused, callDependency } from '../dependency.ts'
import { getValue, setValue } from './values.ts'

/** A cache that may be absent, slow or wrong at any time: a read then finds nothing and a write is lost. */
export interface Cache {
  /** The text under `key`, undefined when there is none or the cache does not answer in time. */
  get(key: string): Promise<string | undefined>
  /** Keeps a text for `seconds`. */
  set(key: string, text: string, seconds: number): Promise<void>
  /** False when the deletion could not be confirmed. */
  delete(...keys: string[]): Promise<boolean>
}

/** A cache that never holds anything, for deployments without Redis. */
export const noCache: Cache = {
  get: async () => undefined,
  set: async () => undefined,
  delete: async () => true,
}

const answerWithinMs = 250

/** Keys of one part of a scan; `next` is the cursor of the following part, null at the end. */
export interface ScannedKeys {
  readonly keys: readonly string[]
  readonly next: string | null
}

/** One part of a scan for the keys of all caches that belong to a tenant. Throws when Redis does not answer in time. */
export async function scanKeys({ redis: settings }: Config, tenant: string, cursor: string): Promise<ScannedKeys> {
  if (settings === undefined) return { keys: [], next: null }
  const { keys, next } = await callDependency(redisService, { deadlineMs: scanWithinMs }, async (ends) => {
    const redis = new Redis({ ...settings, retry: false, enableTelemetry: false, signal: () => ends })
    const [following, found] = await redis.scan(cursor, { match: `*:${tenant}*`, count: keysPerScan })
    return { value: { keys: found, next: following === '0' ? null : following } }
  })
  // The name of a cache, its schema, and then the tenant: `history.1:acme:…`, `tenant-record.1:acme`.
  return { keys: keys.filter((key) => key.split(':')[1] === tenant), next }
}

const scanWithinMs = 5000
const keysPerScan = 1000

/** The Redis cache of a configuration, used on behalf of `request`. Keys carry their tenant; the caller decides how long a value is kept. */
export function openCache({ redis: settings }: Config, request?: RequestContext): Cache {
  if (settings === undefined) return noCache
  const run = <T>(what: string, work: (ends: AbortSignal) => Promise<T>) => forgiving(request, what, work)
  return {
    get: (key) => run('get', (ends) => getValue(settings, key, ends)),
    set: (key, text, seconds) => run('set', (ends) => setValue(settings, key, { text, seconds }, ends)),
    // A signal that is a function throws when time is up; a plain one would look like a miss (SDK 1.39).
    delete: async (...keys) =>
      (await run('delete', async (ends) => {
        const redis = new Redis({ ...settings, retry: false, enableTelemetry: false, signal: () => ends })
        return await redis.del(...keys)
      })) !== undefined,
  }
}

async function forgiving<T>(
  request: RequestContext | undefined,
  what: string,
  work: (ends: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await callDependency(redisService, { deadlineMs: answerWithinMs }, async (ends) => ({
      value: await work(ends),
    }))
  } catch (thrown) {
    if (!(thrown instanceof CallRefused))
      log.warn('cache.failed', { ...idsOf(request), what, reason: reasonOf(thrown) })
    return undefined
  }
}

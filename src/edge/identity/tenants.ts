import { platformOf, tenantOf } from '../../../durable-objects/address.ts'
import { openCache } from '../../adapters/upstash/cache.ts'
import { namesUnknownKey } from '../../auth/token.ts'
import { loadConfig } from '../../config.ts'
import type { Env } from '../../env.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { tenantFreshMs, type Admission } from '../../tenants/cache.ts'
import { askTenant } from '../../tenants/known.ts'
import {
  platformSettings,
  newPlatformSettings,
  withPlatformLimits,
  type PlatformSettings,
} from '../../tenants/platform-settings.ts'
import { tenantId, tenantRecord, type TenantRecord } from '../../tenants/record.ts'

interface Cached<V> {
  readonly until: number
  readonly value: V
}

/** What this isolate believes for ten seconds; values only, never promises, since a request must not wait for another's I/O. */
const maxTenants = 10_000
const records = new BoundedMap<string, Cached<TenantRecord | undefined>>(maxTenants)
const admissions = new BoundedMap<string, Cached<Admission | undefined>>(maxTenants)
let cachedPlatformSettings: Cached<PlatformSettings> = { until: 0, value: newPlatformSettings }
const cachedSeconds = 60

const cacheKey = (tenant: string) => `tenant:${tenant}`
const platformSettingsKey = 'house'

/** A tenant's public record if this isolate has a fresh one, without waiting. */
export function cachedTenant(tenant: string, now: number): TenantRecord | undefined {
  const known = records.get(tenant)
  return known !== undefined && known.until > now ? known.value : undefined
}

/** A tenant with its secrets if this isolate has a fresh one, without waiting. */
export function cachedAdmission(tenant: string, now: number): Admission | undefined {
  const known = admissions.get(tenant)
  return known !== undefined && known.until > now ? known.value : undefined
}

/** A tenant's public record: from this isolate, else from Redis, else from its actor, the only authority. */
export async function tenantRecordOf(env: Env, tenant: string, now: number): Promise<TenantRecord | undefined> {
  if (!tenantId.safeParse(tenant).success) return undefined
  const known = records.get(tenant)
  if (known !== undefined && known.until > now) return known.value

  const cache = openCache(loadConfig(env), env.request)
  const cached = tenantRecord.safeParse(await cache.get(cacheKey(tenant)))
  const stored = cached.success
    ? cached.data
    : await askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).record(), env.request)
  if (!cached.success && stored !== undefined) await cache.set(cacheKey(tenant), stored, cachedSeconds)
  const value = stored === undefined ? undefined : withPlatformLimits(stored, await platformSettingsAt(env, now))
  records.set(tenant, { until: now + tenantFreshMs, value })
  return value
}

/** A tenant with its secrets, which no cache outside this isolate ever holds. */
export async function admissionOf(env: Env, tenant: string, now: number): Promise<Admission | undefined> {
  if (!tenantId.safeParse(tenant).success) return undefined
  const known = admissions.get(tenant)
  if (known !== undefined && known.until > now) return known.value
  const admission = await askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).admission(), env.request)
  const value =
    admission === undefined
      ? undefined
      : { ...admission, record: withPlatformLimits(admission.record, await platformSettingsAt(env, now)) }
  admissions.set(tenant, { until: now + tenantFreshMs, value })
  return value
}

/**
 * The tenant of a token with its secrets. A token that names a key not known here is held against what the tenant's actor
 * says now: the key may have been made a moment ago.
 */
export async function admissionFor(
  env: Env,
  tenant: string,
  token: string,
  now: number,
): Promise<Admission | undefined> {
  const believed = await admissionOf(env, tenant, now)
  if (believed === undefined || !namesUnknownKey(token, believed.secrets.tokenKeys)) return believed
  admissions.delete(tenant)
  return await admissionOf(env, tenant, now)
}

/** Whether the key that a token names may have been published at one of the tenant's addresses since they were fetched. */
export async function mayBePublished(env: Env, { record, secrets }: Admission, token: string): Promise<boolean> {
  if (secrets.hasKeySets !== true || !namesUnknownKey(token, secrets.tokenKeys)) return false
  const isOnItsWay = await tenantOf(env, record.id).mayPublishKey()
  if (isOnItsWay) admissions.delete(record.id)
  return isOnItsWay
}

/** The platform's settings. While neither Redis nor the actor answers, the last known ones. */
export async function platformSettingsAt(env: Env, now: number): Promise<PlatformSettings> {
  if (cachedPlatformSettings.until > now) return cachedPlatformSettings.value
  const cache = openCache(loadConfig(env), env.request)
  const cached = platformSettings.safeParse(await cache.get(platformSettingsKey))
  try {
    const value = cached.success ? cached.data : await platformOf(env).settings()
    if (!cached.success) await cache.set(platformSettingsKey, value, cachedSeconds)
    cachedPlatformSettings = { until: now + tenantFreshMs, value }
  } catch (thrown) {
    log.warn('edge.platform-unreachable', { ...idsOf(env.request), reason: reasonOf(thrown) })
    cachedPlatformSettings = { ...cachedPlatformSettings, until: now + 1000 }
  }
  return cachedPlatformSettings.value
}

/** A tenant changed: what is cached of it goes, here at once and elsewhere within ten seconds. */
export async function forgetTenant(env: Env, tenant: string): Promise<void> {
  records.delete(tenant)
  admissions.delete(tenant)
  await openCache(loadConfig(env), env.request).delete(cacheKey(tenant))
}

/** The platform changed, and with it all tenants: here at once, elsewhere within twenty seconds. */
export async function forgetPlatformSettings(env: Env): Promise<void> {
  records.clear()
  admissions.clear()
  cachedPlatformSettings = { ...cachedPlatformSettings, until: 0 }
  await openCache(loadConfig(env), env.request).delete(platformSettingsKey)
}

import { tenantOf } from '../../durable-objects/address.ts'
import { openCache } from '../adapters/upstash/cache.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { tenantFreshMs, type Admission } from '../tenants/cache.ts'
import { tenantId, tenantRecord, type TenantRecord } from '../tenants/record.ts'

/** What this isolate believes for ten seconds; values only, never promises, since a request must not wait for another's I/O. */
const records = new Map<string, { readonly until: number; readonly value: TenantRecord | undefined }>()
const admissions = new Map<string, { readonly until: number; readonly value: Admission | undefined }>()
const mostTenants = 10_000
const cachedSeconds = 60

const cacheKey = (tenant: string) => `tenant:${tenant}`

/** A tenant's public record: from this isolate, else from Redis, else from its actor, the only authority. */
export async function tenantRecordOf(env: Env, tenant: string, now: number): Promise<TenantRecord | undefined> {
  if (!tenantId.safeParse(tenant).success) return undefined
  const known = records.get(tenant)
  if (known !== undefined && known.until > now) return known.value

  const cache = openCache(loadConfig(env))
  const cached = tenantRecord.safeParse(await cache.get(cacheKey(tenant)))
  const value = cached.success ? cached.data : await tenantOf(env, tenant).record()
  if (!cached.success && value !== undefined) await cache.set(cacheKey(tenant), value, cachedSeconds)
  keep(records, tenant, { until: now + tenantFreshMs, value })
  return value
}

/** A tenant with its secrets, which no cache outside this isolate ever holds. */
export async function admissionOf(env: Env, tenant: string, now: number): Promise<Admission | undefined> {
  if (!tenantId.safeParse(tenant).success) return undefined
  const known = admissions.get(tenant)
  if (known !== undefined && known.until > now) return known.value
  const value = await tenantOf(env, tenant).admission()
  keep(admissions, tenant, { until: now + tenantFreshMs, value })
  return value
}

/** A tenant changed: what is cached of it goes, here at once and elsewhere within ten seconds. */
export async function forgetTenant(env: Env, tenant: string): Promise<void> {
  records.delete(tenant)
  admissions.delete(tenant)
  await openCache(loadConfig(env)).delete(cacheKey(tenant))
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  if (map.size >= mostTenants) map.clear()
  map.set(key, value)
}

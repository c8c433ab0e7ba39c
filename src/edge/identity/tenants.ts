import { cacheEpochsOf, gatewayNamed, platformOf, tenantOf } from '../../../durable-objects/address.ts'
import { cachePorts } from '../../adapters/cache-ports.ts'
import { processEpochs } from '../../adapters/process-epochs.ts'
import { openCache } from '../../adapters/upstash/cache.ts'
import { namesUnknownKey } from '../../auth/token.ts'
import { Cache, type CachePorts } from '../../cache/cache.ts'
import { asJson } from '../../cache/entry.ts'
import { usual } from '../../cache/options.ts'
import { loadConfig, type Config } from '../../config.ts'
import type { Env } from '../../env.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { within } from '../../kernel/retry.ts'
import { tenantFreshMs, tenantTag, platformTag, type Admission } from '../../tenants/cache.ts'
import { gatewayNames } from '../../realtime/gateway-names.ts'
import { askTenant } from '../../tenants/known.ts'
import {
  platformSettings,
  newPlatformSettings,
  withPlatformLimits,
  type PlatformSettings,
} from '../../tenants/platform-settings.ts'
import { noteRegion } from '../../tenants/regions.ts'
import { tenantId, tenantRecord, type StoredTenant, type TenantRecord } from '../../tenants/record.ts'

/** A tenant as its actor answers, with its own limits only. */
interface StoredAdmission extends Omit<Admission, 'record'> {
  readonly record: StoredTenant
}

const tenantTags = (tenant: string): readonly string[] => [tenantTag(tenant)]
const negativeMs = 2000
const tenantBytes = 8_000_000

const records = new Cache<StoredTenant>({
  ...usual,
  name: 'tenant-record',
  tags: tenantTags,
  negativeMs,
  maxBytes: tenantBytes,
  shared: asJson((value) => tenantRecord.safeParse(value).data),
})

/**
 * Tenants with their secrets, which no cache outside this process ever holds. Kept for seconds only, since keys end and are
 * fetched from tenants' addresses without a change of the tenant.
 */
const admissions = new Cache<StoredAdmission>({
  ...usual,
  name: 'tenant-admission',
  tags: tenantTags,
  ttlMs: tenantFreshMs,
  staleMs: 0,
  negativeMs,
  maxBytes: tenantBytes,
})

const settings = new Cache<PlatformSettings>({
  ...usual,
  name: 'platform-settings',
  tags: () => [platformTag],
  ttlMs: 60_000,
  shared: asJson((value) => platformSettings.safeParse(value).data),
})

/** The caches of this process, for metrics. */
export const identityCaches = [records, admissions, settings] as const

const platformKey = 'all'
let lastSettings = newPlatformSettings

const portsOf = (env: Env, now: number): CachePorts =>
  cachePorts(env, (known, read) => cacheEpochsOf(env).since(known, read), now)

/** A tenant's public record if this process has a fresh one, without waiting. */
export function cachedTenant(tenant: string, now: number): TenantRecord | undefined {
  const stored = records.peek(tenant, processEpochs.view, now)
  const platform = stored === undefined ? undefined : settings.peek(platformKey, processEpochs.view, now)
  if (stored !== undefined) processEpochs.noteRead(tenant)
  return stored === undefined || platform === undefined ? undefined : underLimits(stored, platform)
}

/** A tenant with its secrets if this process has a fresh one, without waiting. */
export function cachedAdmission(tenant: string, now: number): Admission | undefined {
  const stored = admissions.peek(tenant, processEpochs.view, now)
  const platform = stored === undefined ? undefined : settings.peek(platformKey, processEpochs.view, now)
  return stored === undefined || platform === undefined ? undefined : admissionUnderLimits(stored, platform)
}

/** A tenant's public record: from this process, else from Redis, else from its actor, the only authority. */
export async function tenantRecordOf(env: Env, tenant: string, now: number): Promise<TenantRecord | undefined> {
  const known = cachedTenant(tenant, now)
  if (known !== undefined) return known
  if (!tenantId.safeParse(tenant).success) return undefined
  const stored = await records.read(tenant, () => recordFromActor(env, tenant), portsOf(env, now))
  if (stored !== undefined) processEpochs.noteRead(tenant)
  noteRegion(tenant, stored?.region)
  return stored === undefined ? undefined : underLimits(stored, await platformSettingsAt(env, now))
}

/** A tenant with its secrets: from this process, else from its actor. */
export async function admissionOf(env: Env, tenant: string, now: number): Promise<Admission | undefined> {
  const known = cachedAdmission(tenant, now)
  if (known !== undefined) return known
  if (!tenantId.safeParse(tenant).success) return undefined
  const load = () => askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).admission(), env.request)
  const stored = await admissions.read(tenant, load, portsOf(env, now))
  noteRegion(tenant, stored?.record.region)
  return stored === undefined ? undefined : admissionUnderLimits(stored, await platformSettingsAt(env, now))
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
  admissions.drop(tenant)
  return await admissionOf(env, tenant, now)
}

/** Whether the key that a token names may have been published at one of the tenant's addresses since they were fetched. */
export async function mayBePublished(env: Env, { record, secrets }: Admission, token: string): Promise<boolean> {
  if (secrets.hasKeySets !== true || !namesUnknownKey(token, secrets.tokenKeys)) return false
  const isOnItsWay = await tenantOf(env, record.id).mayPublishKey()
  if (isOnItsWay) admissions.drop(record.id)
  return isOnItsWay
}

/** The platform's settings. While neither Redis nor the actor answers, the last known ones. */
export async function platformSettingsAt(env: Env, now: number): Promise<PlatformSettings> {
  const known = settings.peek(platformKey, processEpochs.view, now)
  if (known !== undefined) return known
  try {
    lastSettings =
      (await settings.read(platformKey, () => platformOf(env).settings(), portsOf(env, now))) ?? lastSettings
  } catch (thrown) {
    log.warn('edge.platform-unreachable', { ...idsOf(env.request), reason: reasonOf(thrown) })
  }
  return lastSettings
}

/** Loads a tenant's record again and puts it into Redis, for processes whose own copy expires. */
export async function warmTenant(env: Env, tenant: string): Promise<void> {
  await records.refresh(tenant, () => recordFromActor(env, tenant), portsOf(env, 0))
}

/**
 * A tenant changed: from now on this process uses nothing older, and others not for longer than a second. Its new record
 * is put into Redis meanwhile.
 */
export async function forgetTenant(env: Env, tenant: string): Promise<void> {
  records.drop(tenant)
  admissions.drop(tenant)
  await invalidate(env, tenantTags(tenant))
  const config = loadConfig(env)
  if (config.redis === undefined) return
  const ports = portsOf(env, 0)
  ports.background(records.refresh(tenant, () => recordFromActor(env, tenant), ports))
  // The key of versions before 0.2, whose processes may run beside this one for an hour.
  ports.background(openCache(config, env.request).delete(`tenant:${tenant}`))
}

/** The platform changed, and with it all tenants: here at once, elsewhere within a second. */
export async function forgetPlatformSettings(env: Env): Promise<void> {
  settings.drop(platformKey)
  await invalidate(env, [platformTag])
  const config = loadConfig(env)
  await tellGateways(env, config)
  if (config.redis === undefined) return
  const ports = portsOf(env, 0)
  ports.background(openCache(config, env.request).delete('house'))
}

/** Gateways use the limits of all tenants for ten seconds without asking; one that does not answer now uses the old ones for so long. */
async function tellGateways(env: Env, config: Config): Promise<void> {
  const calls = gatewayNames(config).map(async (name) => {
    try {
      await within(tellGatewayMs, 'the gateway', gatewayNamed(env, name).platformChanged())
    } catch (thrown) {
      log.warn('edge.gateway-unreachable', { ...idsOf(env.request), gateway: name, reason: reasonOf(thrown) })
    }
  })
  await Promise.all(calls)
}

const tellGatewayMs = 1000

/** Ends the use of all cached values with one of these tags that were loaded before. */
export async function invalidate(env: Env, tags: readonly string[]): Promise<void> {
  const askedAt = Date.now()
  processEpochs.view.note(await cacheEpochsOf(env).invalidate(tags, processEpochs.view.stamp()), askedAt)
}

const recordFromActor = (env: Env, tenant: string): Promise<StoredTenant | undefined> =>
  askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).record(), env.request)

/** A stored value with the limits of the platform's settings, made once for each pair. */
function perSettings<S extends object, V>(make: (stored: S, platform: PlatformSettings) => V) {
  const made = new WeakMap<S, { readonly platform: PlatformSettings; readonly value: V }>()
  return (stored: S, platform: PlatformSettings): V => {
    const known = made.get(stored)
    if (known?.platform === platform) return known.value
    const value = make(stored, platform)
    made.set(stored, { platform, value })
    return value
  }
}

const underLimits = perSettings((stored: StoredTenant, platform) => withPlatformLimits(stored, platform))
const admissionUnderLimits = perSettings(({ record, ...rest }: StoredAdmission, platform): Admission => ({
  ...rest,
  record: withPlatformLimits(record, platform),
}))

import type { Env } from '../../../src/env.ts'
import { systemClock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { TenantCache, tenantFreshMs } from '../../../src/tenants/cache.ts'
import { askTenant } from '../../../src/tenants/known.ts'
import {
  newPlatformSettings,
  withPlatformLimits,
  type PlatformSettings,
} from '../../../src/tenants/platform-settings.ts'
import { platformOf, tenantOf } from '../../address.ts'

/** Tenants as one gateway knows them, under the house's plans. Without the house its last word holds. */
export function openTenants(env: Env): TenantCache {
  let house = newPlatformSettings
  let freshUntil = 0
  const askHouse = async (): Promise<PlatformSettings> => {
    const now = systemClock.now()
    if (now < freshUntil) return house
    try {
      house = await platformOf(env).settings()
      freshUntil = now + tenantFreshMs
    } catch (thrown) {
      log.warn('tenants.house-unreachable', { why: reasonOf(thrown) })
    }
    return house
  }
  return new TenantCache(async (tenant) => {
    const [admission, around] = await Promise.all([
      askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).admission()),
      askHouse(),
    ])
    return admission === undefined ? undefined : { ...admission, record: withPlatformLimits(admission.record, around) }
  })
}

import { z } from 'zod'
import { newPlan, planName, systemLimits } from '../protocol/tenant-limits.ts'
import { tenantLimits, type StoredTenant, type TenantRecord } from './record.ts'

/** The number of plans a platform may have. */
export const maxPlans = 100

/**
 * What applies beyond any one tenant: the plans, and the limits of all tenants together. `version` grows with every
 * change.
 */
export const platformSettings = z.object({
  plans: z.record(planName, newPlan),
  system: systemLimits,
  version: z.int().nonnegative(),
})
export type PlatformSettings = z.output<typeof platformSettings>

/** The settings of a new platform. */
export const newPlatformSettings: PlatformSettings = { plans: {}, system: {}, version: 0 }

/** A tenant with the limits that apply to it: its own, else its plan's, else the platform's. */
export function withPlatformLimits(stored: StoredTenant, settings: PlatformSettings): TenantRecord {
  const plan = Object.hasOwn(settings.plans, stored.plan) ? settings.plans[stored.plan] : undefined
  return {
    ...stored,
    limits: tenantLimits.parse({ ...plan?.limits, ...stored.limits }),
    shared: { plan: plan?.together ?? {}, system: settings.system, version: settings.version },
    // Both only grow, so their sum tells which of two views is newer.
    version: stored.version + settings.version,
  }
}

import { z } from 'zod'
import { newPlan, planName, systemLimits } from '../protocol/tenant-limits.ts'
import { tenantLimits, type StoredTenant, type TenantRecord } from './record.ts'

/** Plans a house may have. */
export const mostPlans = 100

/** What holds beyond any one tenant: the plans, and the limits of everybody together. `version` grows with every change. */
export const houseRecord = z.object({
  plans: z.record(planName, newPlan),
  system: systemLimits,
  version: z.int().nonnegative(),
})
export type HouseRecord = z.output<typeof houseRecord>

/** A house nobody has set anything for. */
export const newHouse: HouseRecord = { plans: {}, system: {}, version: 0 }

/** A tenant with the limits that hold for it: its own, else its plan's, else everybody's. */
export function underHouse(stored: StoredTenant, house: HouseRecord): TenantRecord {
  const plan = Object.hasOwn(house.plans, stored.plan) ? house.plans[stored.plan] : undefined
  return {
    ...stored,
    limits: tenantLimits.parse({ ...plan?.limits, ...stored.limits }),
    shared: { plan: plan?.together ?? {}, system: house.system, version: house.version },
    // Both only grow, so their sum says which of two views is the newer one.
    version: stored.version + house.version,
  }
}

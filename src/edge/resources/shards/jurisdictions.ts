import type { Env } from '../../../env.ts'
import type { Jurisdiction } from '../../../protocol/places.ts'

/** Whether the platform can confine actors to a jurisdiction; workerd, and so every self-hosted system, cannot. */
export function hasJurisdiction(env: Env, jurisdiction: Jurisdiction): boolean {
  try {
    env.TENANT.jurisdiction(jurisdiction)
    return true
  } catch {
    return false
  }
}

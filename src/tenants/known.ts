import { BoundedMap } from '../kernel/bounded-map.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf, type RequestContext } from '../kernel/request-context.ts'
import { within } from '../kernel/retry.ts'

/** Whether a tenant of a name exists; `perhaps` while the tenants of earlier versions have not been read. */
export type TenantKnowledge = 'known' | 'unknown' | 'perhaps'

/** The directory of tenants, as the platform's actor answers it. */
export interface Directory {
  standingOfTenant(id: string): Promise<TenantKnowledge>
  noteTenant(id: string): Promise<void>
}

/** Tenants that this isolate knows to exist; plain values, so that requests may share them. */
const known = new BoundedMap<string, true>(100_000)

/** How long each of the two actors is waited for, in milliseconds. */
const answerDueMs = 5000

/** Asks a tenant's actor, unless there is no such tenant: an actor that was asked once leaves a file behind. */
export async function askTenant<T>(
  directory: Directory,
  tenant: string,
  ask: () => Promise<T | undefined>,
  request?: RequestContext,
): Promise<T | undefined> {
  if (known.has(tenant)) return await within(answerDueMs, 'the tenant', ask())
  const knowledge = await knowledgeOf(directory, tenant, request)
  if (knowledge === 'unknown') return undefined
  const found = await within(answerDueMs, 'the tenant', ask())
  if (found === undefined) return undefined
  if (knowledge === 'perhaps') await directory.noteTenant(tenant)
  known.set(tenant, true)
  return found
}

/** While the directory cannot be reached, the tenant's own actor is asked. */
async function knowledgeOf(directory: Directory, tenant: string, request?: RequestContext): Promise<TenantKnowledge> {
  try {
    return await within(answerDueMs, 'the platform', directory.standingOfTenant(tenant))
  } catch (thrown) {
    log.warn('tenants.directory-unreachable', { ...idsOf(request), reason: reasonOf(thrown) })
    return 'perhaps'
  }
}

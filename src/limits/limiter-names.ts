import { hash32 } from '../kernel/id.ts'
import { policyOf } from './built-in-policies.ts'

/** The tenant of limiters that belong to the platform itself; no tenant may have this name. */
export const platformTenant = 'parley'

/** The name of a limiter, which is also the key of a holder's leases. A policy's name holds no colon. */
export const limiterName = (tenant: string, policy: string, key: string) => `${tenant}/${policy}:${key}`

/** The limiter that all tenants of a plan share, or all tenants. */
export const sharedLimiter = (policy: string, plan: string) =>
  limiterName(platformTenant, policy, policy.endsWith('-plan') ? plan : '')

/** How many actors keep the limits of the messages of a tenant's users, and those of the addresses that its facade serves. */
const keptTogether = 4

/** The policies whose limiters are kept together, each key being used rarely, and what the actors that keep them are called. */
const keepers: Readonly<Record<string, string>> = {
  messages: 'messages-of-users',
  'facade-address': 'facade-addresses',
}

/** The names, without the tenant, of the limiters' actors that every tenant has the same of. */
export const fixedLimiters: readonly string[] = Object.values(keepers).flatMap((keeper) =>
  Array.from({ length: keptTogether }, (_, number) => `${keeper}:${number}`),
)

/** The name of the actor that keeps a limiter together with others; undefined for one that is an actor of its own. */
export function keyedLimiterName(name: string): string | undefined {
  const keeper = keepers[policyOf(name)]
  if (keeper === undefined) return undefined
  const tenant = name.slice(0, name.indexOf('/'))
  return limiterName(tenant, keeper, String(hash32(name) % keptTogether))
}

import { z } from 'zod'
import { storedPolicy } from '../protocol/limits-api.ts'

/** A tenant id: a DNS label, so that it can stand in names and keys without escaping. */
export const tenantId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and inner dashes, at most 63')

/** How fast a tenant's users may send, and how fast its HTTP callers may call. Per second, with a burst above it. */
export const tenantLimits = z.strictObject({
  messagesPerSecond: z.number().positive().default(10),
  messagesBurst: z.number().min(1).default(20),
  /** All senders of one conversation together. */
  messagesPerSecondConversation: z.number().positive().optional(),
  /** All users together; without it each user's own limit is enough. */
  messagesPerSecondTenant: z.number().positive().optional(),
  /** Connects and token renewals of one user at one gateway. */
  connectsPerSecondUser: z.number().positive().default(2),
  /** Open connections of one user, at all gateways together. */
  connectionsPerUser: z.int().positive().default(100),
  requestsPerSecondUser: z.number().positive().default(20),
  requestsPerSecondKey: z.number().positive().default(500),
  /** All callers together; four times a key's when it is not given. */
  requestsPerSecondTenant: z.number().positive().optional(),
  /** Calls to /v1/limits, which do not count as other requests do. */
  checksPerSecond: z.number().positive().default(5000),
})
export type TenantLimits = z.output<typeof tenantLimits>

/** Where a tenant's rows live. Every write carries `epoch`; a shard refuses one that is not the newest. */
export const placement = z.object({ shard: z.string(), epoch: z.int().positive() })
export type Placement = z.output<typeof placement>

/** What everybody may know of a tenant, and therefore caches may hold: no secret, only hashes of its keys. */
export const tenantRecord = z.object({
  id: tenantId,
  name: z.string(),
  state: z.enum(['active', 'suspended']),
  placement,
  keys: z.array(z.object({ id: z.string(), hash: z.string() })),
  limits: tenantLimits,
  /** The tenant's own rate limit policies, by name. */
  policies: z.record(z.string(), storedPolicy).default({}),
  version: z.int().positive(),
})
export type TenantRecord = z.output<typeof tenantRecord>

/** A key that signs user tokens; the algorithm belongs to the key, never to a token's header (RFC 8725 §3.1). */
export const tokenKey = z.object({ id: z.string(), secret: z.string(), algorithm: z.literal('HS256') })
export type TokenKey = z.output<typeof tokenKey>

/** What only the tenant's actor and those who verify tokens may know. The first key signs, all of them verify. */
export interface TenantSecrets {
  readonly tokenKeys: readonly TokenKey[]
}

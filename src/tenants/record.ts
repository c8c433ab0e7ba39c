import { z } from 'zod'
import { storedPolicy } from '../protocol/limits-api.ts'
import { publicKey, publicKeyAlgorithm } from '../protocol/public-keys.ts'
import { newNamespace } from '../protocol/namespaces-api.ts'
import { originPattern } from '../protocol/origins.ts'
import { jurisdictions, regionHint } from '../protocol/places.ts'
import { contentRules } from '../protocol/content-rules-api.ts'
import { rightsByType } from '../protocol/rights.ts'
import { uploadSettings } from '../protocol/uploads-api.ts'
import { ownLimits, planName, type SharedLimits, type SystemLimits } from '../protocol/tenant-limits.ts'

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'

/**
 * A tenant id: a DNS label, so that it can stand in names and keys without escaping, and after a dot the jurisdiction of a
 * tenant that has one.
 */
export const tenantId = z
  .string()
  .regex(
    new RegExp(`^${label}(?:\\.(?:${jurisdictions.join('|')}))?$`),
    `lower-case letters, digits and inner dashes, at most 63; then perhaps a jurisdiction: .${jurisdictions.join(', .')}`,
  )

/** The limits of a tenant where neither it nor its plan sets others; an optional one is then unlimited. */
export const tenantLimits = ownLimits.extend({
  messagesPerSecond: z.number().positive().default(10),
  messagesBurst: z.number().min(1).default(20),
  commandsPerSecondConnection: z.number().positive().default(50),
  connectsPerSecondUser: z.number().positive().default(2),
  /** Open connections of one user, over all gateways. */
  connectionsPerUser: z.int().positive().default(100),
  requestsPerSecondUser: z.number().positive().default(20),
  requestsPerSecondKey: z.number().positive().default(500),
  searchesPerSecondUser: z.number().positive().default(2),
  searchesPerSecondKey: z.number().positive().default(50),
  uploadsPerSecondUser: z.number().positive().default(1),
  uploadsPerSecondKey: z.number().positive().default(50),
  notificationsPerSecondUser: z.number().positive().default(1),
  notificationsPerSecondKey: z.number().positive().default(250),
  checksPerSecond: z.number().positive().default(5000),
  archiveAfterDays: z.int().positive().default(90),
})
export type TenantLimits = z.output<typeof tenantLimits>

/** Where a tenant's rows live. Every write carries `epoch`; a shard refuses one that is not the newest. */
export const placement = z.object({ shard: z.string(), epoch: z.int().positive() })
export type Placement = z.output<typeof placement>

/** The plan of a tenant without one. It need not exist. */
export const defaultPlan = 'default'

/** A stored API key. `at`: when it was made, ms since 1970; keys made before that was noted have none. */
const storedKey = z.object({ id: z.string(), hash: z.string(), at: z.number().optional() })

export type StoredKey = z.output<typeof storedKey>

/**
 * The number of API keys a tenant may have at a time: enough to rotate them, few enough to look through for each
 * request.
 */
export const maxKeys = 20

/** What a tenant's actor stores and caches may hold: no secret, only hashes of its keys. */
export const tenantRecord = z.object({
  id: tenantId,
  name: z.string(),
  state: z.enum(['active', 'suspended']),
  placement,
  keys: z.array(storedKey),
  plan: planName.default(defaultPlan),
  /** Its own only; `withPlatformLimits` adds its plan's and the platform's. */
  limits: ownLimits,
  /** The tenant's own rate limit policies, by name. */
  policies: z.record(z.string(), storedPolicy).default({}),
  /** How plain topics are kept and who may use them, by the namespace before the colon of their names. */
  namespaces: z.record(z.string(), newNamespace).default({}),
  /** Whether tokens without a user may connect. */
  anonymous: z.boolean().default(false),
  /** Origins whose pages may use the tenant; absent: any. */
  origins: z.array(originPattern).optional(),
  /** The rights of roles in conversations that are created; absent: the default of each type. */
  rights: rightsByType.optional(),
  /** What messages of users may not contain; absent: anything may. */
  contentRules: contentRules.optional(),
  /** What files may be uploaded; absent: any of up to 100 MiB. */
  uploads: uploadSettings.optional(),
  /**
   * The tenant is deleted, and can be restored until then, in milliseconds since the epoch. Its state is `suspended` meanwhile, which
   * earlier versions understand.
   */
  eraseAt: z.number().optional(),
  /** Where actors of the tenant are created. */
  region: regionHint.optional(),
  version: z.int().positive(),
})
export type StoredTenant = z.output<typeof tenantRecord>

/** What a tenant is to its operator and its users; a deleted tenant that can still be restored is `deleting`. */
export type TenantState = 'active' | 'suspended' | 'deleting'

export const stateOf = ({ state, eraseAt }: Pick<StoredTenant, 'state' | 'eraseAt'>): TenantState =>
  eraseAt === undefined ? state : 'deleting'

/** The public part of a tenant: as stored, with all limits that apply to it. */
export interface TenantRecord extends Omit<StoredTenant, 'limits'> {
  readonly limits: TenantLimits
  /** The limits it shares with other tenants; `version` is the platform's. */
  readonly shared: { readonly plan: SharedLimits; readonly system: SystemLimits; readonly version: number }
}

const keyTimes = {
  /** When it was made, in milliseconds since the epoch; a tenant's first key has none. */
  at: z.number().optional(),
  /** When it stops verifying tokens, since it was rotated. */
  until: z.number().optional(),
}

/**
 * A key of user tokens; the algorithm belongs to the key, never to a token's header (RFC 8725 §3.1). One with a secret signs
 * and verifies, a public key verifies what the tenant's own server or identity provider signed.
 */
export const tokenKey = z.union([
  z.object({ id: z.string(), secret: z.string(), algorithm: z.literal('HS256'), ...keyTimes }),
  z.object({ id: z.string(), publicKey, algorithm: publicKeyAlgorithm, ...keyTimes }),
])
export type TokenKey = z.output<typeof tokenKey>

/** For the tenant's actor and the verifiers of tokens only. The first key without an end signs, all of them verify. */
export interface TenantSecrets {
  readonly tokenKeys: readonly TokenKey[]
  /** Whether further keys may be published at addresses that the tenant named. */
  readonly hasKeySets?: boolean | undefined
  /** Gives ids of conversations their check. A tenant of an earlier version has none, and any id may be one of its. */
  readonly conversationIdSecret?: string | undefined
}

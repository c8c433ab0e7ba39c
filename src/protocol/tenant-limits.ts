import { z } from 'zod'

const rate = z.number().positive().max(1e9)
const count = z.int('a whole number').min(1).max(1e9)

/** What may be set for a tenant, or for all tenants of a plan. Rates are per second, with a burst on top. */
export const ownLimits = z
  .strictObject({
    messagesPerSecond: rate,
    messagesBurst: z.number().min(1).max(1e9),
    /** One connection alone, of the several a user may have. */
    messagesPerSecondConnection: rate,
    /** All senders of one conversation together. */
    messagesPerSecondConversation: rate,
    /** All users together; without it each user's own limit is enough. */
    messagesPerSecondTenant: rate,
    /** All other commands of one connection: subscriptions, pages of history, presence, lists. */
    commandsPerSecondConnection: rate,
    /** Connects and token refreshes of one user at one gateway. */
    connectsPerSecondUser: rate,
    /** Open connections of one user, at all gateways together. */
    connectionsPerUser: count,
    /** Connections of all users at one time, at all gateways. */
    connectionsTenant: count,
    requestsPerSecondUser: rate,
    requestsPerSecondKey: rate,
    /** All callers together; four times a key's when it is not given. */
    requestsPerSecondTenant: rate,
    searchesPerSecondUser: rate,
    searchesPerSecondKey: rate,
    uploadsPerSecondUser: rate,
    uploadsPerSecondKey: rate,
    notificationsPerSecondUser: rate,
    notificationsPerSecondKey: rate,
    /** Calls to /v1/limits, which do not count as other requests do. */
    checksPerSecond: rate,
    /** Days after which messages move to the archive, which history reads as well. */
    archiveAfterDays: z.int('a whole number').min(1).max(36_500),
  })
  .partial()
export type OwnLimits = z.output<typeof ownLimits>

/** Limits that many tenants share: those of a plan together, or all. Without a figure there is no such limit. */
export const sharedLimits = z.strictObject({ messagesPerSecond: rate, requestsPerSecond: rate }).partial()
export type SharedLimits = z.output<typeof sharedLimits>

/** The whole system's; connects are counted before the tenant is known. */
export const systemLimits = sharedLimits.extend({ connectsPerSecond: rate.optional() })
export type SystemLimits = z.output<typeof systemLimits>

/** A plan's name. */
export const planName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and inner dashes, at most 63')

/** `PUT /admin/v1/plans/:name`: the limits of each of its tenants, and of all of them together. */
export const newPlan = z.strictObject({ limits: ownLimits.default({}), together: sharedLimits.default({}) })
export type Plan = z.output<typeof newPlan>

/** `PUT /admin/v1/tenants/:id/limits`. What is not given is taken from its plan, or from the platform. */
export const newTenantLimits = z.strictObject({ plan: planName.optional(), limits: ownLimits.default({}) })

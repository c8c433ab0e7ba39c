import { bucketRules, type Rules, type Window } from './rules.ts'

/** What the house itself limits. Tenants' own policies live beside these under names of their choosing. */
export type HousePolicy =
  | 'messages'
  | 'messages-conversation'
  | 'messages-tenant'
  | 'requests-anonymous'
  | 'requests-user'
  | 'requests-key'
  | 'requests-tenant'
  | 'checks'
  | 'connects-address'

/** What a tenant may set, per second; a burst stands above it. */
export interface HouseLimits {
  readonly messagesPerSecond: number
  readonly messagesBurst: number
  readonly messagesPerSecondConversation?: number | undefined
  readonly messagesPerSecondTenant?: number | undefined
  readonly requestsPerSecondUser: number
  readonly requestsPerSecondKey: number
  readonly requestsPerSecondTenant?: number | undefined
  readonly checksPerSecond: number
}

/** What holds for a tenant nobody knows, and for callers who are no tenant's. */
const strangers: HouseLimits = {
  messagesPerSecond: 1,
  messagesBurst: 1,
  requestsPerSecondUser: 20,
  requestsPerSecondKey: 20,
  checksPerSecond: 20,
}

/** The rules of a house policy under a tenant's limits; `version` is the record's. */
export function houseRules(policy: HousePolicy, limits: HouseLimits = strangers, version = 0): Rules {
  const { perSecond, burst } = ratesOf(limits)[policy]
  return bucketRules(perSecond, burst, version)
}

const twice = (perSecond: number) => ({ perSecond, burst: 2 * perSecond })

const ratesOf = (
  limits: HouseLimits,
): Readonly<Record<HousePolicy, { readonly perSecond: number; readonly burst: number }>> => ({
  messages: { perSecond: limits.messagesPerSecond, burst: limits.messagesBurst },
  'messages-conversation': twice(limits.messagesPerSecondConversation ?? 1),
  'messages-tenant': twice(limits.messagesPerSecondTenant ?? 1),
  'requests-anonymous': { perSecond: 20, burst: 60 },
  'requests-user': twice(limits.requestsPerSecondUser),
  'requests-key': twice(limits.requestsPerSecondKey),
  'requests-tenant': twice(limits.requestsPerSecondTenant ?? 4 * limits.requestsPerSecondKey),
  checks: twice(limits.checksPerSecond),
  // A whole office may share one address, and comes back all at once.
  'connects-address': { perSecond: 20, burst: 500 },
})

/** The levels a message passes: its sender, and its conversation and tenant where the tenant limits those. */
export const messageLevels = (limits: Partial<HouseLimits> | undefined) => ({
  conversation: limits?.messagesPerSecondConversation !== undefined,
  tenant: limits?.messagesPerSecondTenant !== undefined,
})

/** How often one user may connect or renew her token at one gateway: at first half a minute's worth at once. */
export const connectWindow = (perSecond: number): Window => ({
  algorithm: 'token-bucket',
  limit: perSecond,
  windowMs: 1000,
  burst: Math.max(1, 30 * perSecond),
})

/** How often one connection may say that somebody types, in all its conversations together. */
export const typingWindow: Window = { algorithm: 'token-bucket', limit: 2, windowMs: 1000, burst: 10 }

/** The policy in a limiter's name, `tenant/policy:key`. */
export const policyOf = (name: string): string => name.slice(name.indexOf('/') + 1, name.indexOf(':'))

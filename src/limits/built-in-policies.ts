import { bucketRules, type Rules, type Window } from './rules.ts'

/** The policies of the platform. Tenants' own policies live beside these under names of their choice. */
export type BuiltInPolicy = OwnPolicy | SharedPolicy | OpenPolicy

/** A tenant's own, from its record. */
type OwnPolicy =
  | 'messages'
  | 'messages-connection'
  | 'messages-conversation'
  | 'messages-tenant'
  | 'requests-user'
  | 'requests-key'
  | 'requests-tenant'
  | 'items-user'
  | 'items-key'
  | 'items-tenant'
  | 'searches-user'
  | 'searches-key'
  | 'uploads-user'
  | 'uploads-key'
  | 'notifications-user'
  | 'notifications-key'
  | 'checks'
  | 'recipients'
  | 'upload-mebibytes'
  | 'facade-tenant'

/**
 * Shared by tenants: those of one plan, or all. Their limiters belong to the platform, each ordered by its own version.
 */
type SharedPolicy = 'messages-plan' | 'messages-system' | 'requests-plan' | 'requests-system' | 'connects-system'

/** For callers of which only the address is known. */
type OpenPolicy = 'requests-anonymous' | 'connects-address' | 'credentials-address' | 'facade-address'

/** What a tenant may set, per second; a burst comes on top. */
export interface BuiltInLimits {
  readonly messagesPerSecond: number
  readonly messagesBurst: number
  readonly messagesPerSecondConnection?: number | undefined
  readonly messagesPerSecondConversation?: number | undefined
  readonly messagesPerSecondTenant?: number | undefined
  readonly connectionsTenant?: number | undefined
  readonly requestsPerSecondUser: number
  readonly requestsPerSecondKey: number
  readonly requestsPerSecondTenant?: number | undefined
  readonly searchesPerSecondUser: number
  readonly searchesPerSecondKey: number
  readonly uploadsPerSecondUser: number
  readonly uploadsPerSecondKey: number
  readonly notificationsPerSecondUser: number
  readonly notificationsPerSecondKey: number
  readonly checksPerSecond: number
}

/** Rates that several tenants share, per second. */
interface SharedRates {
  readonly messagesPerSecond?: number | undefined
  readonly requestsPerSecond?: number | undefined
  readonly connectsPerSecond?: number | undefined
}

/** All limits a tenant is under. The versions grow with every change, the tenant's or the platform's. */
export interface LimitTerms {
  readonly limits: BuiltInLimits
  readonly version: number
  readonly plan: string
  readonly shared: { readonly plan: SharedRates; readonly system: SharedRates; readonly version: number }
}

/** For unknown tenants, and for callers that belong to none. */
export const anonymousLimits: LimitTerms = {
  limits: {
    messagesPerSecond: 1,
    messagesBurst: 1,
    requestsPerSecondUser: 20,
    requestsPerSecondKey: 20,
    searchesPerSecondUser: 1,
    searchesPerSecondKey: 1,
    uploadsPerSecondUser: 1,
    uploadsPerSecondKey: 1,
    notificationsPerSecondUser: 1,
    notificationsPerSecondKey: 1,
    checksPerSecond: 20,
  },
  version: 0,
  plan: '',
  shared: { plan: {}, system: {}, version: 0 },
}

/** The rules of a built-in policy under a tenant's limits. */
export function builtInRules(policy: BuiltInPolicy, terms: LimitTerms = anonymousLimits): Rules {
  const { perSecond, burst } = rates[policy](terms)
  return bucketRules(perSecond, burst, isShared(policy) ? terms.shared.version : terms.version)
}

interface Rate {
  readonly perSecond: number
  readonly burst: number
}

const twice = (perSecond = 1): Rate => ({ perSecond, burst: 2 * perSecond })
/** Such requests come a few at a time, followed by long pauses. */
const tenfold = (perSecond: number): Rate => ({ perSecond, burst: 10 * perSecond })

/** Items of a request beyond its first: members, channels, commands of a batch. */
const items = (perSecond: number): Rate => ({ perSecond, burst: Math.max(largestRequest, 2 * perSecond) })
/** Items in the largest single request. */
const largestRequest = 10_000

const rates: Readonly<Record<BuiltInPolicy, (terms: LimitTerms) => Rate>> = {
  messages: ({ limits }) => ({ perSecond: limits.messagesPerSecond, burst: limits.messagesBurst }),
  'messages-connection': ({ limits }) => twice(limits.messagesPerSecondConnection),
  'messages-conversation': ({ limits }) => twice(limits.messagesPerSecondConversation),
  'messages-tenant': ({ limits }) => twice(limits.messagesPerSecondTenant),
  'messages-plan': ({ shared }) => twice(shared.plan.messagesPerSecond),
  'messages-system': ({ shared }) => twice(shared.system.messagesPerSecond),
  'requests-anonymous': () => ({ perSecond: 20, burst: 60 }),
  'requests-user': ({ limits }) => twice(limits.requestsPerSecondUser),
  'requests-key': ({ limits }) => twice(limits.requestsPerSecondKey),
  'requests-tenant': ({ limits }) => twice(limits.requestsPerSecondTenant ?? 4 * limits.requestsPerSecondKey),
  // The largest single request has ten thousand items and must fit into the burst.
  'items-user': ({ limits }) => items(2 * limits.requestsPerSecondUser),
  'items-key': ({ limits }) => items(2 * limits.requestsPerSecondKey),
  'items-tenant': ({ limits }) => items(2 * (limits.requestsPerSecondTenant ?? 4 * limits.requestsPerSecondKey)),
  'requests-plan': ({ shared }) => twice(shared.plan.requestsPerSecond),
  'requests-system': ({ shared }) => twice(shared.system.requestsPerSecond),
  'searches-user': ({ limits }) => tenfold(limits.searchesPerSecondUser),
  'searches-key': ({ limits }) => twice(limits.searchesPerSecondKey),
  'uploads-user': ({ limits }) => tenfold(limits.uploadsPerSecondUser),
  'uploads-key': ({ limits }) => twice(limits.uploadsPerSecondKey),
  'notifications-user': ({ limits }) => tenfold(limits.notificationsPerSecondUser),
  'notifications-key': ({ limits }) => twice(limits.notificationsPerSecondKey),
  checks: ({ limits }) => twice(limits.checksPerSecond),
  // The largest request has a hundred thousand recipients and must fit into the burst.
  recipients: ({ limits }) => ({ perSecond: 10 * limits.requestsPerSecondKey, burst: 100_000 }),
  // The largest file of a tenant has 5 GiB and must fit into the burst.
  'upload-mebibytes': () => ({ perSecond: 20, burst: 10_240 }),
  'facade-address': () => ({ perSecond: 100, burst: 500 }),
  'facade-tenant': ({ limits }) => twice(limits.requestsPerSecondTenant ?? 4 * limits.requestsPerSecondKey),
  // A whole office may share one address and reconnect at the same moment.
  'connects-address': () => ({ perSecond: 20, burst: 500 }),
  'connects-system': ({ shared }) => twice(shared.system.connectsPerSecond),
  // A client with an expired token asks a few times with the old one; a client that guesses asks thousands of times.
  'credentials-address': () => ({ perSecond: 1, burst: 30 }),
}

/** Whether several tenants share the limiter of a policy. */
export const isShared = (policy: string): boolean => policy.endsWith('-plan') || policy.endsWith('-system')

/** The further levels of a message, after its sender's: each only where it is configured. */
export function messageLevels({ limits, shared }: LimitTerms = anonymousLimits): BuiltInPolicy[] {
  return levels({
    'messages-conversation': limits.messagesPerSecondConversation,
    'messages-tenant': limits.messagesPerSecondTenant,
    'messages-plan': shared.plan.messagesPerSecond,
    'messages-system': shared.system.messagesPerSecond,
  })
}

/** The further levels of a request, after its caller's. */
export function requestLevels({ shared }: LimitTerms = anonymousLimits): BuiltInPolicy[] {
  return levels({
    'requests-tenant': 1,
    'requests-plan': shared.plan.requestsPerSecond,
    'requests-system': shared.system.requestsPerSecond,
  })
}

/** The named policies that have a rate, in their order. */
function levels(figures: Partial<Record<BuiltInPolicy, number | undefined>>): BuiltInPolicy[] {
  const policies: BuiltInPolicy[] = []
  for (const policy of allPolicies) if (figures[policy] !== undefined) policies.push(policy)
  return policies
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table has every policy and nothing else
const allPolicies = Object.keys(rates) as BuiltInPolicy[]
/** Those that have a limiter for each user. */
export const userPolicies = allPolicies.filter((policy) => policy.endsWith('-user'))

/** How many connections all users of a tenant may have at one time; undefined when there is no such limit. */
export const connectionRules = ({ limits, version }: Pick<LimitTerms, 'limits' | 'version'>): Rules | undefined =>
  limits.connectionsTenant === undefined
    ? undefined
    : {
        windows: [{ algorithm: 'concurrency', limit: limits.connectionsTenant, windowMs: 0, burst: 0 }],
        mode: 'hard',
        version,
      }

/** How often one user may connect or refresh a token at one gateway; the burst is half a minute's worth. */
export const connectWindow = (perSecond: number): Window => ({
  algorithm: 'token-bucket',
  limit: perSecond,
  windowMs: 1000,
  burst: Math.max(1, 30 * perSecond),
})

/** The policy in a limiter's name, `tenant/policy:key`. */
export const policyOf = (name: string): string => name.slice(name.indexOf('/') + 1, name.indexOf(':'))

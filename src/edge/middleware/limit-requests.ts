import { createMiddleware } from 'hono/factory'
import { networkOf } from '../../kernel/ip-address.ts'
import { decideAll } from '../../limits/decide.ts'
import { requestLevels } from '../../limits/built-in-policies.ts'
import { callerPolicies, classOf } from '../../limits/request-classes.ts'
import { maxUnderWay, UnderWay, type Group } from '../../limits/under-way.ts'
import type { RequestClass } from '../../protocol/operation.ts'
import { spreadMs } from '../../kernel/retry.ts'
import { countedAddress } from '../identity/client-address.ts'
import type { App, AppContext } from '../http/context.ts'
import { platformLevel, termsOf } from '../rate-limits/platform-limits.ts'
import {
  decider,
  returnIdleLeases,
  rateLimitHeaders,
  spreadOut,
  rateLimitExceeded,
  type EdgeLevel,
} from '../rate-limits/request-limits.ts'
import { ProblemError } from '../http/problem.ts'

/** Requests of this isolate that are not answered yet. */
export const requestsUnderWay = new UnderWay()

/** Limits requests by caller (an API key, a user, or an address), class, tenant, plan and system, in one decision. */
export const limitRequests = () =>
  createMiddleware<App>(async function limitRequests(c, next) {
    return await whileCounted(callersOf(c), async () => {
      setHeaders(c, await limitCaller(c, classOf(c.req.path)))
      return await next()
    })
  })

/** The same for public pages: by address, where one is known; requests of this machine have none. */
export const limitVisitors = () =>
  createMiddleware<App>(async function limitVisitors(c, next) {
    const address = countedAddress(c.req.raw, c.env)
    if (address !== undefined) setHeaders(c, await take(c, await visitorLevels(c, address)))
    return await next()
  })

/** Counts the requests under way of an address, for callers that name themselves in the body, or not at all. */
export const countVisitors = () =>
  createMiddleware<App>(async function countVisitors(c, next) {
    return await whileCounted(addressGroup(c), next)
  })

/** Takes a request of `is` from the caller's buckets; returns the RateLimit fields of its answer, or throws the refusal. */
export async function limitCaller(c: AppContext, is: RequestClass): Promise<Record<string, string>> {
  return await take(c, await levelsOf(c, is))
}

/** Takes a request of `is` from the caller's buckets for work that no answer waits for; false when it is refused. */
export async function mayAlso(c: AppContext, is: RequestClass): Promise<boolean> {
  return (await decideAll(decider, await levelsOf(c, is))).kind === 'taken'
}

/** Counts `work` among the requests under way of each group; a group that is full is refused. */
export async function whileCounted<T>(groups: readonly Group[], work: () => Promise<T>): Promise<T> {
  const full = requestsUnderWay.enter(groups)
  if (full !== undefined) throw tooManyAtOnce(full)
  try {
    return await work()
  } finally {
    requestsUnderWay.leave(groups)
  }
}

function setHeaders(c: AppContext, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
}

const tooManyAtOnce = ({ name, max }: Group): ProblemError =>
  new ProblemError({
    name: 'too-many-requests',
    detail: `requests under way: at most ${max} of one ${name.slice(0, name.indexOf(' '))}`,
    retryAfterMs: spreadMs(1000, Math.random()),
    violatedPolicies: ['requests-under-way'],
  })

export function callersOf(c: AppContext): Group[] {
  const principal = c.get('principal')
  if (principal.kind === 'anonymous') return addressGroup(c)
  const { tenant } = principal
  return [
    principal.kind === 'server'
      ? { name: `key ${tenant} ${principal.keyId}`, max: maxUnderWay.key }
      : { name: `user ${tenant} ${principal.user}`, max: maxUnderWay.user },
    { name: `tenant ${tenant}`, max: maxUnderWay.tenant },
  ]
}

export function addressGroup(c: AppContext): Group[] {
  const address = countedAddress(c.req.raw, c.env)
  return address === undefined ? [] : [{ name: `address ${networkOf(address)}`, max: maxUnderWay.address }]
}

async function take(c: AppContext, levels: readonly EdgeLevel[]): Promise<Record<string, string>> {
  const decision = spreadOut(await decideAll(decider, levels))
  const headers = rateLimitHeaders(levels, decision)
  returnIdleLeases(c)
  if (decision.kind === 'taken') return headers
  setHeaders(c, headers)
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
  throw new ProblemError({ name: 'unavailable', detail: 'the rate limiter could not be reached; try again' })
}

async function levelsOf(c: AppContext, is: RequestClass): Promise<EdgeLevel[]> {
  const principal = c.get('principal')
  if (principal.kind === 'anonymous') return await visitorLevels(c, countedAddress(c.req.raw, c.env))
  const { tenant } = principal
  const terms = c.get('tenant') ?? (await termsOf(c.env, tenant))
  const [tier, caller] =
    principal.kind === 'server' ? (['key', principal.keyId] as const) : (['user', principal.user] as const)
  // Checks are what a tenant's servers do for each of their own requests: they have a bucket of their own.
  const further = is === 'checks' ? [] : requestLevels(terms)
  return [
    ...callerPolicies(is, tier).map((policy) => platformLevel(c.env, terms, { tenant, policy, key: caller })),
    ...further.map((policy) => platformLevel(c.env, terms, { tenant, policy, key: '' })),
  ]
}

async function visitorLevels(c: AppContext, address: string | undefined): Promise<EdgeLevel[]> {
  const terms = await termsOf(c.env)
  const key = networkOf(address)
  return [
    platformLevel(c.env, terms, { policy: 'requests-anonymous', key }),
    ...(terms.shared.system.requestsPerSecond === undefined
      ? []
      : [platformLevel(c.env, terms, { policy: 'requests-system', key: '' })]),
  ]
}

import { createMiddleware } from 'hono/factory'
import { networkOf } from '../../kernel/address.ts'
import { decideAll, type Level } from '../../limits/decide.ts'
import { requestLevels } from '../../limits/house-rules.ts'
import { callerPolicies } from '../../limits/request-classes.ts'
import { countedAddress } from '../client-address.ts'
import type { App, AppContext } from '../context.ts'
import { houseLevel, termsOf } from '../house-levels.ts'
import { decider, returnIdleLeases, showStanding, spreadOut, tooMany } from '../limits.ts'
import { ProblemError } from '../problem.ts'

/** Limits requests by who asks (an API key, a user, or an address), by what is asked, by tenant, plan and system, in one decision. */
export const limitRequests = () =>
  createMiddleware<App>(async function limitRequests(c, next) {
    await take(c, await levelsOf(c))
    return await next()
  })

/** The same for what anybody may see: by address, where one is known; on one's own machine there is nobody to tell apart. */
export const limitVisitors = () =>
  createMiddleware<App>(async function limitVisitors(c, next) {
    const address = countedAddress(c.req.raw, c.env)
    if (address !== undefined) await take(c, await visitorLevels(c, address))
    return await next()
  })

async function take(c: AppContext, levels: readonly Level[]): Promise<void> {
  const decision = spreadOut(await decideAll(decider, levels))
  await showStanding(c, levels, decision)
  returnIdleLeases(c)
  if (decision.kind === 'limited') throw tooMany(decision.key, decision.retryAfterMs)
  if (decision.kind === 'unreachable')
    throw new ProblemError({ name: 'unavailable', detail: 'the rate limiter could not be reached; try again' })
}

async function levelsOf(c: AppContext): Promise<Level[]> {
  const { principal } = c.var
  if (principal.kind === 'anonymous') return await visitorLevels(c, countedAddress(c.req.raw, c.env))
  const { tenant } = principal
  const terms = await termsOf(c.env, tenant)
  const [tier, caller] =
    principal.kind === 'server' ? (['key', principal.keyId] as const) : (['user', principal.user] as const)
  const own = callerPolicies(c.req.path, tier)
  // Checks are what a tenant's servers do for each of their own requests: they have a bucket of their own.
  const further = own.includes('checks') ? [] : requestLevels(terms)
  return [
    ...own.map((policy) => houseLevel(c.env, terms, { tenant, policy, key: caller })),
    ...further.map((policy) => houseLevel(c.env, terms, { tenant, policy, key: '' })),
  ]
}

async function visitorLevels(c: AppContext, address: string | undefined): Promise<Level[]> {
  const terms = await termsOf(c.env)
  const key = networkOf(address)
  return [
    houseLevel(c.env, terms, { policy: 'requests-anonymous', key }),
    ...(terms.shared.system.requestsPerSecond === undefined
      ? []
      : [houseLevel(c.env, terms, { policy: 'requests-system', key: '' })]),
  ]
}

import { createMiddleware } from 'hono/factory'
import { limiterName } from '../../../durable-objects/address.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Env } from '../../env.ts'
import { networkOf } from '../../kernel/address.ts'
import { systemClock } from '../../kernel/clock.ts'
import { decideAll, type Level } from '../../limits/decide.ts'
import { houseRules, messageLevels, type HousePolicy } from '../../limits/house-rules.ts'
import type { App, AppContext } from '../context.ts'
import { decider, levelOf, returnIdleLeases, showStanding, tooMany } from '../limits.ts'
import { ProblemError } from '../problem.ts'
import { tenantRecordOf } from '../tenants.ts'

/** What one call of a class counts for, by the start of its path; any other counts for one. */
const costs: readonly (readonly [path: string, cost: number])[] = [
  ['/v1/search', 5],
  ['/v1/uploads', 5],
  ['/v1/notifications', 2],
]

/** Limits requests by who asks (an API key, a user, or an address) and by tenant, in one decision. */
export const limitRequests = () =>
  createMiddleware<App>(async function limitRequests(c, next) {
    await take(c, levelsOf(c))
    return await next()
  })

/** One message of a user over HTTP: the same buckets as over the socket. */
export async function takeMessageToken(env: Env, tenant: string, user: string, channel: string): Promise<void> {
  const shared = messageLevels((await tenantRecordOf(env, tenant, systemClock.now()))?.limits)
  await decideOrThrow([
    houseLevel(env, tenant, 'messages', user),
    ...(shared.conversation ? [houseLevel(env, tenant, 'messages-conversation', channel)] : []),
    ...(shared.tenant ? [houseLevel(env, tenant, 'messages-tenant', '')] : []),
  ])
}

/** One connect from an address, before anybody knows whose it is: milliseconds to wait, 0 for come in. */
export async function takeConnect(env: Env, address: string): Promise<number> {
  const decision = await decideAll(decider, [houseLevel(env, 'parley', 'connects-address', networkOf(address))])
  return decision.kind === 'limited' ? decision.retryAfterMs : 0
}

async function take(c: AppContext, levels: readonly Level[]): Promise<void> {
  try {
    await decideOrThrow(levels)
  } finally {
    await showStanding(c, levels)
    returnIdleLeases(c)
  }
}

async function decideOrThrow(levels: readonly Level[]): Promise<void> {
  const decision = await decideAll(decider, levels)
  if (decision.kind === 'limited') throw tooMany(decision.key, decision.retryAfterMs)
  if (decision.kind === 'unreachable')
    throw new ProblemError({ name: 'unavailable', detail: 'the rate limiter could not be reached; try again' })
}

function levelsOf(c: AppContext): Level[] {
  const { principal } = c.var
  if (principal.kind === 'anonymous') {
    return [houseLevel(c.env, 'parley', 'requests-anonymous', networkOf(c.req.header('cf-connecting-ip')))]
  }
  const { tenant } = principal
  // Checks are what a tenant's servers do for each of their own requests: they have a bucket of their own.
  if (c.req.path.startsWith('/v1/limits/')) return [houseLevel(c.env, tenant, 'checks', callerOf(principal))]
  const cost = costs.find(([path]) => c.req.path.startsWith(path))?.[1] ?? 1
  const policy = principal.kind === 'server' ? 'requests-key' : 'requests-user'
  return [
    houseLevel(c.env, tenant, policy, callerOf(principal), cost),
    houseLevel(c.env, tenant, 'requests-tenant', '', cost),
  ]
}

function houseLevel(env: Env, tenant: string, policy: HousePolicy, key: string, cost = 1): Level {
  const rules = async () => {
    if (policy === 'requests-anonymous' || policy === 'connects-address') return houseRules(policy)
    const record = await tenantRecordOf(env, tenant, systemClock.now())
    return houseRules(policy, record?.limits, record?.version)
  }
  return levelOf(env, limiterName(tenant, policy, key), rules, { cost })
}

const callerOf = (principal: Exclude<Principal, { kind: 'anonymous' }>) =>
  principal.kind === 'server' ? principal.keyId : principal.user

import { createMiddleware } from 'hono/factory'
import { limiterOf } from '../../../durable-objects/address.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { LeaseHolder } from '../../limits/lease.ts'
import type { Rate } from '../../limits/bucket.ts'
import type { App, AppContext } from '../context.ts'
import { ProblemError } from '../problem.ts'
import { tenantRecordOf } from '../tenants.ts'

/** Leases of this isolate; plain numbers, so that requests may share them. */
const leases = new LeaseHolder()

const anonymousRate: Rate = { perSecond: 20, burst: 60 }

interface Bucket {
  readonly tenant: string
  readonly policy: string
  readonly key: string
  readonly rate: () => Promise<Rate>
}

/** Limits requests by who asks: an API key, a user, or an address (IPv6 by its /64). */
export const limitRequests = () =>
  createMiddleware<App>(async function limitRequests(c, next) {
    await takeToken(c.env, bucketOf(c))
    return await next()
  })

/** One token of a bucket or a 429. A limiter that cannot be reached lets requests pass: refusing everybody would be worse. */
export async function takeToken(env: Env, { tenant, policy, key, rate }: Bucket): Promise<void> {
  const now = () => systemClock.now()
  const ask = async (_: string, want: number) => limiterOf(env, tenant, policy, key).lease({ rate: await rate(), want })
  try {
    const taken = await leases.take(`${tenant}/${policy}/${key}`, ask, now, true)
    if (taken.kind === 'limited') throw tooMany(policy, taken.retryAfterMs)
  } catch (thrown) {
    if (thrown instanceof ProblemError) throw thrown
    log.warn('edge.limiter-unreachable', { policy, why: reasonOf(thrown) })
  }
}

function tooMany(policy: string, retryAfterMs: number): ProblemError {
  return new ProblemError({ name: 'too-many-requests', detail: `${policy}: wait ${retryAfterMs} ms`, retryAfterMs })
}

function bucketOf(c: AppContext): Bucket {
  const { principal } = c.var
  if (principal.kind === 'anonymous') {
    return { tenant: 'parley', policy: 'requests-anonymous', key: addressOf(c), rate: async () => anonymousRate }
  }
  const { tenant } = principal
  const rate = () => tenantRate(c.env, principal)
  return principal.kind === 'server'
    ? { tenant, policy: 'requests-key', key: principal.keyId, rate }
    : { tenant, policy: 'requests-user', key: principal.user, rate }
}

async function tenantRate(env: Env, principal: Exclude<Principal, { kind: 'anonymous' }>): Promise<Rate> {
  const limits = (await tenantRecordOf(env, principal.tenant, systemClock.now()))?.limits
  const perSecond = (principal.kind === 'server' ? limits?.requestsPerSecondKey : limits?.requestsPerSecondUser) ?? 20
  return { perSecond, burst: 2 * perSecond }
}

/** The caller's address as the platform saw it; an IPv6 customer owns a whole /64. */
function addressOf(c: AppContext): string {
  const address = c.req.header('cf-connecting-ip') ?? 'local'
  return address.includes(':') ? address.split(':').slice(0, 4).join(':') : address
}

import { houseTenant, limiterName, sharedLimiter } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import { networkOf } from '../kernel/address.ts'
import { systemClock } from '../kernel/clock.ts'
import { decideAll, type Level } from '../limits/decide.ts'
import { houseRules, isShared, messageLevels, strangers, type HousePolicy, type Terms } from '../limits/house-rules.ts'
import { decider, levelOf, tooMany } from './limits.ts'
import { houseAt, tenantRecordOf } from './tenants.ts'

/** All limits a tenant is under; without one, those of callers who are nobody's. */
export async function termsOf(env: Env, tenant?: string): Promise<Terms> {
  const now = systemClock.now()
  const record = tenant === undefined ? undefined : await tenantRecordOf(env, tenant, now)
  if (record !== undefined) return record
  const { system, version } = await houseAt(env, now)
  return { ...strangers, shared: { plan: {}, system, version } }
}

/** One level of a decision by a house policy. What many tenants share has a limiter of the house's. */
export function houseLevel(
  env: Env,
  terms: Terms,
  {
    tenant = houseTenant,
    policy,
    key,
  }: { readonly tenant?: string; readonly policy: HousePolicy; readonly key: string },
): Level {
  const name = isShared(policy) ? sharedLimiter(policy, terms.plan) : limiterName(tenant, policy, key)
  return levelOf(env, name, () => houseRules(policy, terms))
}

/** One message of a user over HTTP: the same buckets as over the socket, but for her connection's. */
export async function takeMessageToken(env: Env, tenant: string, user: string, channel: string): Promise<void> {
  const terms = await termsOf(env, tenant)
  const decision = await decideAll(decider, [
    houseLevel(env, terms, { tenant, policy: 'messages', key: user }),
    ...messageLevels(terms).map((policy) =>
      houseLevel(env, terms, { tenant, policy, key: policy === 'messages-conversation' ? channel : '' }),
    ),
  ])
  // All of these fail open: a limiter that is gone stops nobody.
  if (decision.kind === 'limited') throw tooMany(decision.key, decision.retryAfterMs)
}

/** One connect from an address, before anybody knows whose it is: milliseconds to wait, 0 for come in. */
export async function takeConnect(env: Env, address: string | undefined): Promise<number> {
  const terms = await termsOf(env)
  const levels = [
    // Without an address callers cannot be told apart.
    ...(address === undefined ? [] : [houseLevel(env, terms, { policy: 'connects-address', key: networkOf(address) })]),
    ...(terms.shared.system.connectsPerSecond === undefined
      ? []
      : [houseLevel(env, terms, { policy: 'connects-system', key: '' })]),
  ]
  const decision = await decideAll(decider, levels)
  return decision.kind === 'limited' ? decision.retryAfterMs : 0
}

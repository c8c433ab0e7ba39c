import { platformTenant, limiterName, sharedLimiter } from '../../limits/limiter-names.ts'
import type { Env } from '../../env.ts'
import { networkOf } from '../../kernel/ip-address.ts'
import { systemClock } from '../../kernel/clock.ts'
import { parseChannel } from '../../protocol/channels.ts'
import { decideAll } from '../../limits/decide.ts'
import {
  builtInRules,
  isShared,
  messageLevels,
  anonymousLimits,
  type BuiltInPolicy,
  type LimitTerms,
} from '../../limits/built-in-policies.ts'
import { decider, levelOf, rateLimitExceeded, type EdgeLevel } from './request-limits.ts'
import type { Rules } from '../../limits/rules.ts'
import { mayBeConversation } from '../identity/conversation-ids.ts'
import { platformSettingsAt, tenantRecordOf } from '../identity/tenants.ts'

/** All limits a tenant is under; without one, those of unidentified callers. */
export async function termsOf(env: Env, tenant?: string): Promise<LimitTerms> {
  const now = systemClock.now()
  const record = tenant === undefined ? undefined : await tenantRecordOf(env, tenant, now)
  if (record !== undefined) return record
  const { system, version } = await platformSettingsAt(env, now)
  return { ...anonymousLimits, shared: { plan: {}, system, version } }
}

/** One level of a decision by a built-in policy. Limits that many tenants share have a limiter of the platform. */
export function platformLevel(
  env: Env,
  terms: LimitTerms,
  {
    tenant = platformTenant,
    policy,
    key,
  }: { readonly tenant?: string; readonly policy: BuiltInPolicy; readonly key: string },
): EdgeLevel {
  const name = isShared(policy) ? sharedLimiter(policy, terms.plan) : limiterName(tenant, policy, key)
  let rules: Rules | undefined
  return levelOf(env, name, () => (rules ??= builtInRules(policy, terms)))
}

/** One message of a user over HTTP: the same buckets as over the socket, except the connection's. */
export async function takeMessageToken(env: Env, tenant: string, user: string, channel: string): Promise<void> {
  const terms = await termsOf(env, tenant)
  const levels = messageLevels(terms)
  // No limiter is woken for a conversation that cannot be; the request is refused where it asks for the conversation.
  const isPossible = !levels.includes('messages-conversation') || (await isPossibleChannel(env, tenant, channel))
  const decision = await decideAll(decider, [
    platformLevel(env, terms, { tenant, policy: 'messages', key: user }),
    ...levels
      .filter((policy) => policy !== 'messages-conversation' || isPossible)
      .map((policy) =>
        platformLevel(env, terms, { tenant, policy, key: policy === 'messages-conversation' ? channel : '' }),
      ),
  ])
  // All of these fail open: a limiter that is gone stops no request.
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}

async function isPossibleChannel(env: Env, tenant: string, channel: string): Promise<boolean> {
  const parsed = parseChannel(channel)
  return parsed?.kind !== 'conversation' || (await mayBeConversation(env, tenant, parsed.id))
}

/** One connect from an address, before its tenant is known: milliseconds to wait, 0 for none. */
export async function takeConnect(env: Env, address: string | undefined): Promise<number> {
  const terms = await termsOf(env)
  const levels = [
    // Without an address callers cannot be told apart.
    ...(address === undefined
      ? []
      : [platformLevel(env, terms, { policy: 'connects-address', key: networkOf(address) })]),
    ...(terms.shared.system.connectsPerSecond === undefined
      ? []
      : [platformLevel(env, terms, { policy: 'connects-system', key: '' })]),
  ]
  const decision = await decideAll(decider, levels)
  return decision.kind === 'limited' ? decision.retryAfterMs : 0
}

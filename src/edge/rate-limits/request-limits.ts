import { limiterOf } from '../../../durable-objects/address.ts'
import { whenLimiterAdmitted } from '../../../durable-objects/open-actors.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { spreadMs } from '../../kernel/retry.ts'
import type { Decider, Decision, Level } from '../../limits/decide.ts'
import { LeaseHolder } from '../../limits/holder.ts'
import { TooManyActors } from '../../limits/open-actors.ts'
import { isShared, policyOf } from '../../limits/built-in-policies.ts'
import { LocalLimits } from '../../limits/local-limits.ts'
import { reachLimiter, returnIdle } from '../../limits/reach.ts'
import { capacityOf, type Rules } from '../../limits/rules.ts'
import { rateLimitFields, type QuotaState } from '../../protocol/rate-limit-fields.ts'
import type { AppContext } from '../http/context.ts'
import { ProblemError } from '../http/problem.ts'

/** Tenants' own policies begin with this in a limiter's name, so that none is mistaken for the platform's. */
export const ownPolicy = (name: string) => `~${name}`

/** Leases of this isolate; plain numbers, so that requests may share them. Tenants' policies are counted as one. */
export const decider: Decider = {
  holder: new LeaseHolder((name) => (policyOf(name).startsWith('~') ? 'service' : policyOf(name))),
  fallback: new LocalLimits(),
  alone: true,
  onUnreachable: ({ key, request }, thrown) => {
    // Counted as failed open or closed; a line for each would let a caller fill the log.
    if (thrown instanceof TooManyActors) return
    log.warn('edge.limiter-unreachable', { ...idsOf(request), policy: policyOf(key), reason: reasonOf(thrown) })
  },
}

/** A level whose rules are known without waiting. */
export interface EdgeLevel extends Level {
  readonly rules: () => Rules
}

/** One level of a decision here: which limiter, by which rules. The limiter is looked up when it has to be asked. */
export function levelOf(
  env: Env,
  name: string,
  rules: () => Rules,
  {
    cost = 1,
    whenUnreachable = 'open',
    whenFull = 'alone',
  }: Partial<Pick<Level, 'cost' | 'whenUnreachable' | 'whenFull'>> = {},
): EdgeLevel {
  const limiter = reachLimiter(
    { admit: (key) => whenLimiterAdmitted(env, key), named: (key) => limiterOf(env, key) },
    name,
  )
  return { key: name, cost, whenUnreachable, whenFull, rules, request: env.request, source: { limiter, rules, clock } }
}

const clock = () => systemClock.now()

/** Returns, after the answer, what this isolate was lent and does not need. */
export function returnIdleLeases(c: AppContext): void {
  const returned = returnIdle(decider.holder, (key) => limiterOf(c.env, key), clock())
  if (returned !== undefined) c.executionCtx.waitUntil(returned)
}

/** The RateLimit fields of the caller's own level and of the one that refused, as far as this isolate knows. */
export function rateLimitHeaders(levels: readonly EdgeLevel[], decision: Decision): Record<string, string> {
  const refused = decision.kind === 'limited' ? decision : undefined
  const states: QuotaState[] = []
  for (const [place, level] of levels.entries()) {
    const isRefused = level.key === refused?.key
    // What all tenants together may use is not shown.
    if ((place > 0 && !isRefused) || isShared(policyOf(level.key))) continue
    const state = stateOf(level, isRefused ? refused?.retryAfterMs : undefined)
    if (state !== undefined) states.push(state)
  }
  return rateLimitFields(states)
}

/** After a refusal there is nothing left until `retryAfterMs`, and `Retry-After` must not be before that. */
function stateOf({ key, rules }: EdgeLevel, retryAfterMs: number | undefined): QuotaState | undefined {
  const state = decider.holder.state(key, systemClock.now())
  const [window] = rules().windows
  if (state === undefined || window === undefined) return undefined
  const quota = capacityOf(window)
  return {
    name: policyOf(key),
    quota,
    windowSeconds: (window.windowMs * quota) / window.limit / 1000,
    remaining: retryAfterMs === undefined ? state.remaining : 0,
    resetSeconds: (retryAfterMs ?? state.resetMs) / 1000,
  }
}

/**
 * Those whom a limit refused that they share would all come back at the same moment: their waits are spread
 * (draft-ietf-httpapi-ratelimit-headers-11 §8.5). A caller with a bucket of its own gets the exact time.
 */
export const spreadOut = (decision: Decision): Decision =>
  decision.kind === 'limited' && isManyPeoples(policyOf(decision.key))
    ? { ...decision, retryAfterMs: spreadMs(decision.retryAfterMs, Math.random()) }
    : decision

const isManyPeoples = (policy: string) => isShared(policy) || policy.endsWith('-tenant')

/** The refusal of a level, as HTTP tells it. */
export function rateLimitExceeded(name: string, retryAfterMs: number): ProblemError {
  const policy = policyOf(name)
  return new ProblemError({
    name: 'too-many-requests',
    detail: `${policy}: wait ${retryAfterMs} ms`,
    retryAfterMs,
    violatedPolicies: [policy],
  })
}

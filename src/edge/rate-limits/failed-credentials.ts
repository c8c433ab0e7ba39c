import { platformTenant, limiterName } from '../../limits/limiter-names.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { networkOf } from '../../kernel/ip-address.ts'
import { systemClock } from '../../kernel/clock.ts'
import { decideAll } from '../../limits/decide.ts'
import { anonymousLimits } from '../../limits/built-in-policies.ts'
import { loadConfig } from '../../config.ts'
import { clientAddress } from '../identity/client-address.ts'
import type { AppContext } from '../http/context.ts'
import { platformLevel } from './platform-limits.ts'
import { decider, rateLimitExceeded } from './request-limits.ts'
import { fail } from '../http/problem.ts'

const policy = 'credentials-address'
const maxKnown = 10_000

/** Credentials that were accepted here before: they pass, whatever other callers guess behind the same address. */
const knownGood = new BoundedMap<string, true>(maxKnown)

/**
 * Before a credential is looked at: an address that guessed too often waits, unless this very credential is known here.
 * One wait is over as soon as a unit is available, so that no caller is locked out for longer than the guessing goes
 * on.
 */
export function admitAttempt(c: AppContext, credential: string): void {
  if (knownGood.has(credential)) return
  const address = clientAddress(c.req.raw, loadConfig(c.env))
  if (address === undefined) return
  const name = limiterName(platformTenant, policy, networkOf(address))
  const waitMs = decider.holder.refusedFor(name, systemClock.now())
  if (waitMs > 0) throw rateLimitExceeded(name, waitMs)
}

/** The credential was good. */
export function noteSuccess(credential: string): void {
  if (!knownGood.has(credential)) knownGood.set(credential, true)
}

/** The credential was wrong: counted by address, and refused with `detail` or, when it is one too many, told to wait. */
export async function noteFailure(c: AppContext, credential: string, detail: string): Promise<never> {
  knownGood.delete(credential)
  const address = clientAddress(c.req.raw, loadConfig(c.env))
  if (address !== undefined) {
    const level = platformLevel(c.env, anonymousLimits, { policy, key: networkOf(address) })
    const decision = await decideAll(decider, [level])
    if (decision.kind === 'limited') throw rateLimitExceeded(level.key, decision.retryAfterMs)
  }
  return fail('unauthorized', detail)
}

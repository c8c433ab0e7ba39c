import { houseTenant, limiterName } from '../../durable-objects/address.ts'
import { networkOf } from '../kernel/address.ts'
import { systemClock } from '../kernel/clock.ts'
import { decideAll } from '../limits/decide.ts'
import { strangers } from '../limits/house-rules.ts'
import { loadConfig } from '../config.ts'
import { clientAddress } from './client-address.ts'
import type { AppContext } from './context.ts'
import { houseLevel } from './house-levels.ts'
import { decider, tooMany } from './limits.ts'
import { fail } from './problem.ts'

const policy = 'credentials-address'
const mostKnown = 10_000

/** Credentials that opened the door here before: who has one goes in, whoever guesses behind the same address. */
const knownGood = new Set<string>()

/**
 * Before a credential is looked at: an address that guessed too often waits, unless this very credential is known here.
 * One wait is over as soon as a unit has dripped, so that nobody is locked out for longer than the guessing goes on.
 */
export function admitGuess(c: AppContext, credential: string): void {
  const address = clientAddress(c.req.raw, loadConfig(c.env))
  if (address === undefined || knownGood.has(credential)) return
  const name = limiterName(houseTenant, policy, networkOf(address))
  const waitMs = decider.holder.refusedFor(name, systemClock.now())
  if (waitMs > 0) throw tooMany(name, waitMs)
}

/** The credential was good. */
export function noteGood(credential: string): void {
  if (knownGood.size >= mostKnown) knownGood.clear()
  knownGood.add(credential)
}

/** The credential was wrong: counted by address, and refused with `detail` or, when it is one too many, told to wait. */
export async function refuseGuess(c: AppContext, credential: string, detail: string): Promise<never> {
  knownGood.delete(credential)
  const address = clientAddress(c.req.raw, loadConfig(c.env))
  if (address !== undefined) {
    const level = houseLevel(c.env, strangers, { policy, key: networkOf(address) })
    const decision = await decideAll(decider, [level])
    if (decision.kind === 'limited') throw tooMany(level.key, decision.retryAfterMs)
  }
  return fail('unauthorized', detail)
}

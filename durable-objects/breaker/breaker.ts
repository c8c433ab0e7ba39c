import { systemClock } from '../../src/kernel/clock.ts'
import { log } from '../../src/kernel/log.ts'
import {
  breakerReport,
  endpointOpenTimes,
  serviceOpenTimes,
  type BreakerReport,
  type Opinion,
} from '../../src/resilience/opinion.ts'
import { SharedBreaker, storedBreaker, type StoredBreaker } from '../../src/resilience/shared-breaker.ts'
import { platformTenant } from '../../src/limits/limiter-names.ts'
import { ownName } from '../address.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import type { BreakerRpc } from '../contracts.ts'
import { OpenPlace } from '../shared/open-place.ts'

/** Hosts of one tenant, in memory and stored; those that were used or changed longest ago are forgotten. */
const maxBreakers = 500
const prefix = 'breaker/'

/**
 * What all isolates together think of an outside service, or of the hosts that one tenant named. Reports are held in memory and a
 * change of state is a row. It sets no timer: whether the time of an open breaker is over is looked at when an isolate asks.
 */
export class Breaker extends TenantActor implements BreakerRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'breaker')
  readonly #kv = this.ctx.storage.kv
  readonly #breakers = new Map<string, SharedBreaker>()

  /** Takes the report of an isolate in and answers with the opinion of all; perhaps the isolate is given the probe. */
  report(key: string, given: BreakerReport): Opinion {
    this.#place.used()
    const breaker = this.#breaker(key)
    const before = breaker.stored
    const opinion = breaker.report(breakerReport.parse(given), systemClock.now())
    if (breaker.stored !== before) this.#changed(key, before, breaker.stored)
    return opinion
  }

  /** The breakers that have ever opened, and their last transitions. */
  states(): { readonly key: string; readonly breaker: StoredBreaker }[] {
    return [...this.#kv.list({ prefix })].map(([key, stored]) => ({
      key: key.slice(prefix.length),
      breaker: storedBreaker.parse(stored),
    }))
  }

  /** For how many milliseconds the breakers of these keys stay open; 0 for one that lets calls through, or a probe. */
  openFor(keys: readonly string[]): number[] {
    const now = systemClock.now()
    return keys.map((key) => {
      const { state, waitMs } = (this.#breakers.get(key) ?? this.#read(key)).opinion(now)
      return state === 'open' ? waitMs : 0
    })
  }

  #breaker(key: string): SharedBreaker {
    const known = this.#breakers.get(key)
    const breaker = known ?? this.#read(key)
    // The newest is the last.
    this.#breakers.delete(key)
    this.#breakers.set(key, breaker)
    const [oldest = ''] = this.#breakers.keys()
    if (this.#breakers.size > maxBreakers) this.#breakers.delete(oldest)
    return breaker
  }

  #read(key: string): SharedBreaker {
    const stored = this.#kv.get(prefix + key)
    const { tenant } = ownName(this.ctx.id.name)
    return new SharedBreaker(
      tenant === platformTenant ? serviceOpenTimes : endpointOpenTimes,
      stored === undefined ? undefined : storedBreaker.parse(stored),
    )
  }

  #dropOldest(): void {
    const stored = this.states()
    if (stored.length < maxBreakers) return
    const changedAt = ({ breaker }: (typeof stored)[number]) => breaker.transitions.at(-1)?.at ?? 0
    const oldest = stored.reduce((one, other) => (changedAt(other) < changedAt(one) ? other : one))
    this.#kv.delete(prefix + oldest.key)
  }

  #changed(key: string, before: StoredBreaker, after: StoredBreaker): void {
    if (before.openings === 0) this.#dropOldest()
    this.#kv.put(prefix + key, after)
    const { tenant } = ownName(this.ctx.id.name)
    const { isolates = 0, bad = 0 } = after.transitions.at(-1) ?? {}
    const fields = { dependency: key, ...(tenant === platformTenant ? {} : { tenant }), isolates, bad }
    if (after.state === 'open') log.warn('breaker.opened', { ...fields, reason: reasonOf(before) })
    else log.info(`breaker.${after.state}`, fields)
  }
}

const reasonOf = ({ state }: StoredBreaker): string =>
  state === 'half-open' ? 'the probe failed' : 'calls of several isolates fail or are slow'

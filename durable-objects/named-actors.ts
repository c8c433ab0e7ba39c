import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { NamedActors, type ActorName } from '../src/limits/named-actors.ts'
import type { Limiter } from '../src/limits/ports.ts'
import { keyedLimiterName, limiterNamed, limiterOf, ownName, topicOf } from './address.ts'

/** Those of this process; plain numbers, which requests may share. */
const inUse = new NamedActors()

/**
 * Asked before an actor is called under a name that a caller chose. Throws `TooManyActors` when the tenant has too many in
 * use in this process; never where the platform spreads actors over processes.
 */
export function admitActor(env: Env, actor: ActorName): void {
  const { maxNamedActors } = loadConfig(env)
  if (maxNamedActors !== Infinity) inUse.admit(actor, systemClock.now(), maxNamedActors)
}

/** A topic, for a call that may make it. Throws `TooManyActors`. */
export function admittedTopic(env: Env, tenant: string, channel: string) {
  admitActor(env, { kind: 'topic', tenant, name: channel })
  return topicOf(env, tenant, channel)
}

/** A limiter as holders of leases call it, for a call that may make it. Throws `TooManyActors`. */
export function admittedLimiterOf(env: Env, name: string): Limiter {
  // The actors that keep many limiters are a fixed number for each tenant.
  return keyedLimiterName(name) === undefined ? admittedLimiter(env, name) : limiterOf(env, name)
}

/** A limiter, for a call that may make it. Throws `TooManyActors`; one of the platform has a smaller share. */
export function admittedLimiter(env: Env, name: string) {
  const own = ownName(name)
  admitActor(env, { kind: 'limiter', ...own, isDispensable: !own.name.startsWith('~') })
  return limiterNamed(env, name)
}

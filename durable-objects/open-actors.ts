import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { hash32 } from '../src/kernel/id.ts'
import type { Ready } from '../src/kernel/ready.ts'
import { openActors, TooManyActors, type ActorName } from '../src/limits/open-actors.ts'
import { keyedLimiterName } from '../src/limits/limiter-names.ts'
import {
  conversationOf,
  inboxOf,
  jobQueueOf,
  limiterNamed,
  ownName,
  sagaActors,
  sagaNumbered,
  sagaOf,
  topicOf,
} from './address.ts'

/** How long a caller waits for a place for an actor that its tenant has, in milliseconds. */
const callerWaitMs = 4000
/** The end of a subscription, and tasks: no client waits for them. */
export const patientWaitMs = 60_000
const longestPauseMs = 500

/** Whether open actors are bounded here: on one's own machine, where all of them are in one process. */
export function isBounded(env: Env): boolean {
  const { maxOpenActors } = loadConfig(env)
  if (maxOpenActors === Infinity) return false
  openActors.bound(maxOpenActors)
  return true
}

/**
 * Asked before an actor is called that may not be open. Throws `TooManyActors` when its tenant holds too many open
 * actors; never where the platform spreads actors over processes.
 */
export function admitActor(env: Env, actor: ActorName): void {
  if (!isBounded(env)) return
  const decision = openActors.admit(actor, systemClock.now())
  if (decision.kind === 'limited') throw new TooManyActors(decision.retryAfterMs)
}

/** The same, but waits for a place where the tenant is known to have the actor. */
export function whenAdmitted(env: Env, actor: ActorName, waitMs = callerWaitMs): Ready<void> {
  if (!isBounded(env)) return
  const decision = openActors.admit(actor, systemClock.now())
  if (decision.kind === 'taken') return
  if (openActors.claimOf(actor) !== 'known') throw new TooManyActors(decision.retryAfterMs)
  return waitForPlace(actor, systemClock.now() + waitMs)
}

async function waitForPlace(actor: ActorName, until: number): Promise<void> {
  for (let pauseMs = 50; ; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
    await scheduler.wait(pauseMs * (0.5 + Math.random() / 2))
    const decision = openActors.admit(actor, systemClock.now())
    if (decision.kind === 'taken') return
    if (systemClock.now() >= until) throw new TooManyActors(decision.retryAfterMs)
  }
}

/** Waits until tasks may open further actors. Throws `TooManyActors` after a minute; the task then runs again later. */
export async function whenPlaceIsFree(env: Env): Promise<void> {
  if (!isBounded(env)) return
  const until = systemClock.now() + patientWaitMs
  while (!openActors.hasFreePlace(systemClock.now())) {
    if (systemClock.now() >= until) throw new TooManyActors(1000)
    await scheduler.wait(longestPauseMs * (0.5 + Math.random() / 2))
  }
}

// Each calls an actor once there is a place for it, and throws `TooManyActors` as `whenAdmitted` does.

/** A conversation; `isKnown` says that it exists as far as its id tells. */
export const callConversation = <R>(
  env: Env,
  tenant: string,
  id: string,
  call: (conversation: ReturnType<typeof conversationOf>) => R,
  isKnown = true,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'conversation', tenant, name: id, isKnown }, () => call(conversationOf(env, tenant, id)))

/** The inbox of a user with a valid token, or of one that the tenant's server names. */
export const callInbox = <R>(
  env: Env,
  tenant: string,
  user: string,
  call: (inbox: ReturnType<typeof inboxOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'inbox', tenant, name: user, isKnown: true }, () => call(inboxOf(env, tenant, user)))

/** A queue; `isKnown` says that the tenant has it. Every tenant has `default`. */
export const callQueue = <R>(
  env: Env,
  tenant: string,
  queue: string,
  isKnown: boolean,
  call: (queue: ReturnType<typeof jobQueueOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'queue', tenant, name: queue, isKnown: isKnown || queue === 'default' }, () =>
    call(jobQueueOf(env, tenant, queue)),
  )

/** A topic; `isKnown` says that a connection is subscribed to it. */
export const callTopic = <R>(
  env: Env,
  tenant: string,
  channel: string,
  isKnown: boolean,
  call: (topic: ReturnType<typeof topicOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'topic', tenant, name: channel, isKnown }, () => call(topicOf(env, tenant, channel)))

/** The actor of a process that the tenant's catalog has. */
export const processActor = (tenant: string, process: string): ActorName => ({
  kind: 'process',
  tenant,
  name: process,
  isKnown: true,
})

/** The actor of a run: a fixed number of them for each tenant. */
export const sagaActor = (tenant: string, run: string): ActorName => ({
  kind: 'saga',
  tenant,
  name: String(hash32(run) % sagaActors),
  isKnown: true,
})

/** The actor with the definitions of a tenant's sagas. */
export const sagaCatalogActor = (tenant: string): ActorName => ({ kind: 'saga', tenant, name: 'sagas', isKnown: true })

/** The actor of a saga's run. */
export const callSaga = <R>(
  env: Env,
  tenant: string,
  run: string,
  call: (saga: ReturnType<typeof sagaOf>) => R,
): Promise<Awaited<R>> => admitted(env, sagaActor(tenant, run), () => call(sagaOf(env, tenant, run)))

/** Each of a tenant's actors with runs. */
export const callSagas = <R>(
  env: Env,
  tenant: string,
  call: (saga: ReturnType<typeof sagaOf>) => R,
): Promise<Awaited<R>[]> =>
  Promise.all(
    Array.from({ length: sagaActors }, (_, number) =>
      admitted(env, { kind: 'saga', tenant, name: String(number), isKnown: true }, () =>
        call(sagaNumbered(env, tenant, number)),
      ),
    ),
  )

/** A limiter of a tenant's own policy. */
export const callLimiter = <R>(
  env: Env,
  name: string,
  call: (limiter: ReturnType<typeof limiterNamed>) => R,
): Promise<Awaited<R>> => admitted(env, limiterActor(name), () => call(limiterNamed(env, name)))

/** Calls an actor once there is a place for it. */
export async function admitted<R>(env: Env, actor: ActorName, call: () => R): Promise<Awaited<R>> {
  const ready = whenAdmitted(env, actor)
  if (ready instanceof Promise) await ready
  return await call()
}

/** Asked before a limiter lends. A process does without those of the platform, which are refused sooner and never waited for. */
export const whenLimiterAdmitted = (env: Env, name: string): Ready<void> =>
  // The actors that keep many limiters are a fixed number for each tenant.
  keyedLimiterName(name) === undefined ? whenAdmitted(env, limiterActor(name)) : undefined

function limiterActor(name: string): ActorName {
  const own = ownName(name)
  return { kind: 'limiter', ...own, isDispensable: !own.name.startsWith('~') }
}

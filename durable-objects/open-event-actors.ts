import type { Env } from '../src/env.ts'
import { eventCatalogOf, eventConsumerOf, eventLogOf, processViewOf } from './address.ts'
import { admitted, processActor } from './open-actors.ts'

// Each calls an actor of events once there is a place for it, and throws `TooManyActors` as `whenAdmitted` does.

/** The event catalog of a tenant that publishes or reads events. */
export const callEventCatalog = <R>(
  env: Env,
  tenant: string,
  call: (catalog: ReturnType<typeof eventCatalogOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'event-catalog', tenant, name: 'events', isKnown: true }, () =>
    call(eventCatalogOf(env, tenant)),
  )

/** The log of a topic of events. Every tenant has `default`; one that was opened before is known, too. */
export const callEventLog = <R>(
  env: Env,
  tenant: string,
  topic: string,
  call: (log: ReturnType<typeof eventLogOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'event-log', tenant, name: topic, isKnown: topic === 'default' }, () =>
    call(eventLogOf(env, tenant, topic)),
  )

/** A consumer that the tenant's catalog has. */
export const callEventConsumer = <R>(
  env: Env,
  tenant: string,
  consumer: string,
  call: (consumer: ReturnType<typeof eventConsumerOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'event-consumer', tenant, name: consumer, isKnown: true }, () =>
    call(eventConsumerOf(env, tenant, consumer)),
  )

/** A process that the tenant's catalog has. */
export const callProcessView = <R>(
  env: Env,
  tenant: string,
  process: string,
  call: (view: ReturnType<typeof processViewOf>) => R,
): Promise<Awaited<R>> => admitted(env, processActor(tenant, process), () => call(processViewOf(env, tenant, process)))

import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import { activityNumberOf, bucketOf } from '../src/events/activity.ts'
import type { EventWait } from '../src/events/log-event.ts'
import { hash32, mixed32 } from '../src/kernel/id.ts'
import { keyedLimiter } from '../src/limits/keyed-limiters.ts'
import { keyedLimiterName, platformTenant } from '../src/limits/limiter-names.ts'
import type { Limiter } from '../src/limits/ports.ts'
import { notesNumberOf } from '../src/inbox/notes.ts'
import type { Jurisdiction } from '../src/protocol/places.ts'
import { actorsOf, named, ofTenant, ownName } from './naming.ts'

// The only file through which actors are reached; naming.ts has what a message and a job need of it.
export { conversationOf, gatewayNamed, jobQueueOf, ownName } from './naming.ts'

/** One of the Activity actors of a tenant, by its number. */
export const activityOf = (env: Env, tenant: string, number: number) =>
  ofTenant(env.ACTIVITY, tenant, named(tenant, String(number)))

/** The Activity actor of a conversation. */
export const activityOfConversation = (env: Env, tenant: string, conversation: string) =>
  activityOf(env, tenant, activityNumberOf(bucketOf(conversation), loadConfig(env).activityActors(tenant)))

export const inboxOf = (env: Env, tenant: string, user: string) => ofTenant(env.INBOX, tenant, named(tenant, user))

/** The inbox of an erased user, by the id of the actor: its name would be the user's id. */
export const inboxOfId = (env: Env, tenant: string, id: string) => {
  const inboxes = actorsOf(env.INBOX, tenant)
  return inboxes.get(inboxes.idFromString(id))
}

/** One of the few actors of a tenant that hold notes for users without a connection: always the same for a user. */
export const inboxNotesOf = (env: Env, tenant: string, user: string) =>
  inboxNotesNumbered(env, tenant, notesNumberOf(user))

export const inboxNotesNumbered = (env: Env, tenant: string, number: number) =>
  ofTenant(env.INBOX_NOTES, tenant, named(tenant, String(number)))

/** One of the actors of a tenant that list its other actors. */
export const actorNamesNumbered = (env: Env, tenant: string, number: number) =>
  ofTenant(env.ACTOR_NAMES, tenant, named(tenant, String(number)))

/** One for the whole deployment. */
export const platformOf = (env: Env) => env.PLATFORM.getByName('house')

/** One for the whole deployment. */
export const cacheEpochsOf = (env: Env) => env.CACHE_EPOCHS.getByName('epochs')

/** A plain topic, by the whole name of its channel. */
export const topicOf = (env: Env, tenant: string, channel: string) =>
  ofTenant(env.TOPIC, tenant, named(tenant, channel))

export const tenantOf = (env: Env, tenant: string) => ofTenant(env.TENANT, tenant, tenant)

export const limiterNamed = (env: Env, name: string) => ofTenant(env.RATE_LIMITER, ownName(name).tenant, name)

/** A limiter as holders of leases call it. */
export function limiterOf(env: Env, name: string): Limiter {
  const keeper = keyedLimiterName(name)
  return keeper === undefined ? limiterNamed(env, name) : keyedLimiter(() => limiterNamed(env, keeper), name)
}

/** The events of one topic. */
export const eventLogOf = (env: Env, tenant: string, topic: string) =>
  ofTenant(env.EVENT_LOG, tenant, named(tenant, topic))

export const eventConsumerOf = (env: Env, tenant: string, consumer: string) =>
  ofTenant(env.EVENT_CONSUMER, tenant, named(tenant, consumer))

/** The instances of one process. */
export const processViewOf = (env: Env, tenant: string, process: string) =>
  ofTenant(env.PROCESS_VIEW, tenant, named(tenant, process))

/** An actor that waits for an event. */
export function eventWaiterOf(env: Env, tenant: string, { name }: EventWait['waiter']) {
  return ofTenant(env.SAGA, tenant, name)
}

/** One for each tenant that uses events. */
export const eventCatalogOf = (env: Env, tenant: string) => ofTenant(env.EVENT_CATALOG, tenant, named(tenant, 'events'))

/** A run belongs to one of these actors of its tenant. */
export const sagaActors = 16

/** The actor of a run, by the id of the run. */
export const sagaOf = (env: Env, tenant: string, run: string) => sagaNumbered(env, tenant, hash32(run) % sagaActors)

/** The whole name of the actor of a run. */
export const sagaActorName = (tenant: string, run: string): string => named(tenant, String(hash32(run) % sagaActors))

export const sagaNumbered = (env: Env, tenant: string, number: number) =>
  ofTenant(env.SAGA, tenant, named(tenant, String(number)))

/** The definitions of a tenant's sagas. */
export const sagaCatalogOf = (env: Env, tenant: string) => ofTenant(env.SAGA_CATALOG, tenant, named(tenant, 'sagas'))

/** The users of a tenant, with their notices, lie in this many actors. */
export const recipientActors = 16
/** A notification belongs to one of these actors of its tenant. */
export const notificationActors = 4

/** Which of a tenant's actors has a user's notices. */
export const recipientsNumberOf = (user: string): number => mixed32(hash32(user)) % recipientActors

/** The actor with a user's profile, preferences and notices. */
export const recipientsOf = (env: Env, tenant: string, user: string) =>
  recipientsNumbered(env, tenant, recipientsNumberOf(user))

export const recipientsNumbered = (env: Env, tenant: string, number: number) =>
  ofTenant(env.RECIPIENTS, tenant, named(tenant, String(number)))

/** The actor that hands a notification out, by the id of the notification. */
export const notificationsOf = (env: Env, tenant: string, notification: string) =>
  notificationsNumbered(env, tenant, notificationsNumberOf(notification))

/** Which of a tenant's actors hands a notification out. */
export const notificationsNumberOf = (notification: string): number => hash32(notification) % notificationActors

export const notificationsNumbered = (env: Env, tenant: string, number: number) =>
  ofTenant(env.NOTIFICATION_STORE, tenant, named(tenant, String(number)))

/** Workflows, categories, templates and providers of a tenant. */
export const notificationCatalogOf = (env: Env, tenant: string) =>
  ofTenant(env.NOTIFICATION_CATALOG, tenant, named(tenant, 'notifications'))

/** Bans, reports and the log of moderators of a tenant. */
export const moderationOf = (env: Env, tenant: string) => ofTenant(env.MODERATION, tenant, named(tenant, 'moderation'))

export const facadeOf = (env: Env, tenant: string) => ofTenant(env.FACADE, tenant, named(tenant, 'facade'))

/** Lanes of write-behind per shard: enough to keep Postgres busy, few enough to merge. */
const writerLanes = 2

/**
 * A conversation always writes through the same lane, so that its rows arrive in order. A shard has tenants of one
 * jurisdiction only, and its lanes are there.
 */
export const shardWriterOf = (env: Env, shard: string, tenant: string, conversation: string) =>
  actorsOf(env.SHARD_WRITER, tenant).getByName(named(shard, String(hash32(conversation) % writerLanes)))

/** Every lane of a shard's writer, for a tenant of the shard. */
export const shardWritersOf = (env: Env, shard: string, tenant: string) =>
  Array.from({ length: writerLanes }, (_, lane) =>
    actorsOf(env.SHARD_WRITER, tenant).getByName(named(shard, String(lane))),
  )

/** Readers of old history per shard; a page is always read by the same one. */
const readerLanes = 16

/** The reader of a conversation's old pages. */
export const shardReaderOf = (env: Env, shard: string, conversation: string) =>
  env.SHARD_READER.getByName(named(shard, String(hash32(conversation) % readerLanes)))

/** Every lane of a shard's writer. */
export function shardWriters(env: Env, shard: string, jurisdiction?: Jurisdiction) {
  const lanes = jurisdiction === undefined ? env.SHARD_WRITER : env.SHARD_WRITER.jurisdiction(jurisdiction)
  const numbers = Array.from({ length: writerLanes }, (_, lane) => lane)
  return numbers.map((lane) => ({ shard, lane, writer: lanes.getByName(named(shard, String(lane))) }))
}

/** The breaker of an outside service, or those of all hosts that a tenant named. */
export const breakerOf = (env: Env, tenant: string | undefined, key: string) =>
  tenant === undefined
    ? env.BREAKER.getByName(named(platformTenant, key))
    : ofTenant(env.BREAKER, tenant, named(tenant, 'endpoints'))

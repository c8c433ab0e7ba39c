import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { named } from '../../src/adapters/neon/named.ts'
import { openShard, shardsNow } from '../../src/adapters/neon/shards.ts'
import { countRows, deleteRows, refuseRows, selectNames } from '../../src/adapters/neon/tenant-rows.ts'
import { openBlobs } from '../../src/adapters/blobs/open.ts'
import { openCache, scanKeys } from '../../src/adapters/upstash/cache.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { notesActors } from '../../src/inbox/notes.ts'
import { inLanes } from '../../src/kernel/in-lanes.ts'
import { within } from '../../src/kernel/retry.ts'
import { fixedLimiters } from '../../src/limits/limiter-names.ts'
import { jurisdictionOf } from '../../src/protocol/places.ts'
import { blobPrefix } from '../../src/protocol/blob-keys.ts'
import { gatewayNames } from '../../src/realtime/gateway-names.ts'
import type { Checked, Erased } from '../../src/tenants/deletion.ts'
import { stepsOf, type Step } from '../../src/tenants/deletion-plan.ts'
import type { ActorSizes } from '../../src/protocol/usage-api.ts'
import { noteErased } from '../../src/tenants/erased.ts'
import { tenantTag } from '../../src/tenants/cache.ts'
import { tenantTables, type ActorClass, type StoreName, type TableName } from '../../src/tenants/stores.ts'
import {
  activityOf,
  actorNamesNumbered,
  breakerOf,
  cacheEpochsOf,
  conversationOf,
  eventCatalogOf,
  eventConsumerOf,
  eventLogOf,
  facadeOf,
  gatewayNamed,
  inboxNotesNumbered,
  inboxOf,
  inboxOfId,
  jobQueueOf,
  limiterNamed,
  moderationOf,
  notificationActors,
  notificationCatalogOf,
  notificationsNumbered,
  platformOf,
  processViewOf,
  recipientActors,
  recipientsNumbered,
  sagaActors,
  sagaCatalogOf,
  sagaNumbered,
  shardWriters,
  topicOf,
} from '../address.ts'
import { erasedInboxId, namesActors, type ListedClass, type NamesPage } from '../../src/tenants/actor-names.ts'
import { whenPlaceIsFree } from '../open-actors.ts'

/** Actors that are erased or looked at in one part of a step, and at one time. */
const actorsPerPart = 32
const actorsTogether = 4
/** Rows deleted by one statement. A page of the archive has a hundred messages. */
const rowsPerPart = 1000
const pagesPerPart = 100
const deadlineMs = 10_000
/** How long an actor may take. */
const actorMs = 10_000

/**
 * What a strategy of the registry means for one store. `cursor` is "" for the first part, and what the part before returned as `next`
 * for the others. Every part may be repeated.
 */
export interface Eraser {
  /** How many rows or actors there are; null where only the erasure can tell. */
  readonly count?: () => Promise<number | null>
  readonly eraseSome: (cursor: string) => Promise<Erased>
  readonly verifySome: (cursor: string) => Promise<Checked>
  /** Of actors: how many there are in a part, and how much they store. */
  readonly measureSome?: (cursor: string) => Promise<Measured>
}

interface Measured {
  readonly actors: number
  readonly bytes: number
  readonly next: string | null
}

/** A tenant whose stores are erased. */
export interface ErasedTenant {
  readonly env: Env
  readonly tenant: string
}

/** An actor of a tenant, as the registry's strategies call it. */
interface Erasable {
  erase(): Promise<void>
  remains(): Promise<number>
  storedBytes(): Promise<number>
}

/** Names of actors, page by page. A page begins where the one before ended. */
type Lister = (at: ErasedTenant, cursor: string) => Promise<NamesPage>

interface ErasableClass {
  readonly actor: (at: ErasedTenant, name: string) => Erasable
  /** Names that other stores list. */
  readonly listed?: readonly Lister[]
  /** Those that list each name once, where several list the same. */
  readonly measured?: readonly Lister[]
  /** Names that follow from the tenant's. */
  readonly fixed?: readonly string[] | ((at: ErasedTenant) => readonly string[])
}

/** A tenant never has fewer than it had. */
const activityActors = ({ env, tenant }: ErasedTenant): number => loadConfig(env).activityActors(tenant)

const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => String(number))

/** Pages of several actors of a tenant, one actor after the other: the cursor begins with the number of the actor. */
const ofNumbered =
  (
    count: number | ((at: ErasedTenant) => number),
    page: (at: ErasedTenant, number: number, after: string) => Promise<NamesPage>,
  ): Lister =>
  async (at, cursor) => {
    const [, digits = '0', after = ''] = /^(\d+) (.*)$/s.exec(cursor) ?? []
    const number = Number(digits)
    const { names, next } = await page(at, number, after)
    const last = (typeof count === 'number' ? count : count(at)) - 1
    const following = number < last ? `${number + 1} ` : null
    return { names, next: next === null ? following : `${number} ${next}` }
  }

const ofActorNames = (kind: ListedClass): Lister =>
  ofNumbered(namesActors, async ({ env, tenant }, number, after) =>
    actorNamesNumbered(env, tenant, number).names(kind, after),
  )

/** Names that the rows of a tenant's shards have; of all shards, since a move may have left rows on an earlier one. */
const ofRows =
  (of: 'conversations' | 'users'): Lister =>
  async (at, cursor) => {
    const shard = await shardAt(at, cursor)
    if (shard === undefined) return { names: [], next: null }
    const names = await selectNames(shard.database, of, at.tenant, { after: shard.rest, limit: actorsPerPart })
    return { names, next: names.length < actorsPerPart ? shard.following : cursorAt(shard.name, names.at(-1) ?? '') }
  }

const classes = {
  Conversation: {
    actor: ({ env, tenant }, name) => conversationOf(env, tenant, name),
    listed: [
      ofRows('conversations'),
      ofNumbered(activityActors, async ({ env, tenant }, number, after) => {
        const { ids, next } = await activityOf(env, tenant, number).conversations(after)
        return { names: ids, next }
      }),
    ],
    measured: [ofRows('conversations')],
  },
  Inbox: {
    actor: ({ env, tenant }, name) => {
      const id = erasedInboxId(name)
      return id === undefined ? inboxOf(env, tenant, name) : inboxOfId(env, tenant, id)
    },
    listed: [
      ofRows('users'),
      ofNumbered(notesActors, async ({ env, tenant }, number, after) =>
        inboxNotesNumbered(env, tenant, number).users(after),
      ),
      ofActorNames('Inbox'),
    ],
    measured: [ofRows('users')],
    fixed: [],
  },
  JobQueue: {
    actor: ({ env, tenant }, name) => jobQueueOf(env, tenant, name),
    // A queue that could not register with `default` yet is on the platform's list all the same.
    listed: [
      async ({ env, tenant }) => {
        const lists = await Promise.all([
          jobQueueOf(env, tenant, 'default').queueNames(),
          platformOf(env).queuesOfTenant(tenant),
        ])
        return { names: [...new Set(lists.flat())].filter((name) => name !== 'default'), next: null }
      },
    ],
    fixed: ['default'],
  },
  Topic: { actor: ({ env, tenant }, name) => topicOf(env, tenant, name), listed: [ofActorNames('Topic')] },
  RateLimiter: {
    actor: ({ env, tenant }, name) => limiterNamed(env, `${tenant}/${name}`),
    listed: [ofActorNames('RateLimiter')],
    fixed: fixedLimiters,
  },
  EventLog: {
    actor: ({ env, tenant }, name) => eventLogOf(env, tenant, name),
    listed: [async ({ env, tenant }) => ({ names: await eventCatalogOf(env, tenant).topics(), next: null })],
    fixed: ['default'],
  },
  EventConsumer: {
    actor: ({ env, tenant }, name) => eventConsumerOf(env, tenant, name),
    listed: [
      async ({ env, tenant }) => {
        const consumers = await eventCatalogOf(env, tenant).consumers()
        return { names: consumers.map(({ name }) => name), next: null }
      },
    ],
    fixed: [],
  },
  ProcessView: {
    actor: ({ env, tenant }, name) => processViewOf(env, tenant, name),
    listed: [async ({ env, tenant }) => ({ names: await eventCatalogOf(env, tenant).processes(), next: null })],
    fixed: [],
  },
  EventCatalog: { actor: ({ env, tenant }) => eventCatalogOf(env, tenant), fixed: ['events'] },
  InboxNotes: {
    actor: ({ env, tenant }, name) => inboxNotesNumbered(env, tenant, Number(name)),
    fixed: numbers(notesActors),
  },
  Activity: {
    actor: ({ env, tenant }, name) => activityOf(env, tenant, Number(name)),
    fixed: (at) => numbers(activityActors(at)),
  },
  ActorNames: {
    actor: ({ env, tenant }, name) => actorNamesNumbered(env, tenant, Number(name)),
    fixed: numbers(namesActors),
  },
  Saga: { actor: ({ env, tenant }, name) => sagaNumbered(env, tenant, Number(name)), fixed: numbers(sagaActors) },
  Moderation: { actor: ({ env, tenant }) => moderationOf(env, tenant), fixed: ['moderation'] },
  Facade: { actor: ({ env, tenant }) => facadeOf(env, tenant), fixed: ['facade'] },
  NotificationCatalog: { actor: ({ env, tenant }) => notificationCatalogOf(env, tenant), fixed: ['notifications'] },
  Notifications: {
    actor: ({ env, tenant }, name) => notificationsNumbered(env, tenant, Number(name)),
    fixed: numbers(notificationActors),
  },
  Recipients: {
    actor: ({ env, tenant }, name) => recipientsNumbered(env, tenant, Number(name)),
    fixed: numbers(recipientActors),
  },
  SagaCatalog: { actor: ({ env, tenant }) => sagaCatalogOf(env, tenant), fixed: ['sagas'] },
  Breaker: { actor: ({ env, tenant }) => breakerOf(env, tenant, ''), fixed: ['endpoints'] },
} satisfies Partial<Record<ActorClass, ErasableClass>>

/** Erases actors: those that are listed, or those whose names are fixed. */
function actorsEraser(at: ErasedTenant, erasable: ErasableClass, part: Step['part']): Eraser {
  const { actor, listed = [], measured = listed, fixed = [] } = erasable
  const names = typeof fixed === 'function' ? fixed(at) : fixed
  const listersOf = (lists: readonly Lister[]) => (part === 'listed' ? lists : [async () => ({ names, next: null })])
  const pageOf = (listers: readonly Lister[]) => async (cursor: string) => {
    const [, digits = '0', rest = ''] = /^(\d+)\|(.*)$/s.exec(cursor) ?? []
    const number = Number(digits)
    const found = await listers[number]?.(at, rest)
    const following = number + 1 < listers.length ? `${number + 1}|` : null
    const next = found?.next ?? null
    return { names: found?.names ?? [], next: next === null ? following : `${number}|${next}` }
  }
  const page = pageOf(listersOf(listed))
  const each = async (names: readonly string[], work: (erasable: Erasable) => Promise<void>) =>
    await inLanes(actorsTogether, names, async (name) => {
      await whenPlaceIsFree(at.env)
      await inTime(name, work(actor(at, name)))
    })
  return {
    count: async () => (part === 'listed' ? null : names.length),
    eraseSome: async (cursor) => {
      const { names, next } = await page(cursor)
      await each(names, async (erasable) => await erasable.erase())
      return { erased: names.length, next }
    },
    verifySome: async (cursor) => {
      const { names, next } = await page(cursor)
      let left = 0
      await each(names, async (erasable) => {
        if ((await erasable.remains()) > 0) left++
      })
      return { checked: names.length, left, next }
    },
    measureSome: async (cursor) => {
      const { names, next } = await pageOf(listersOf(measured))(cursor)
      let bytes = 0
      await each(names, async (measurable) => void (bytes += await measurable.storedBytes()))
      return { actors: names.length, bytes, next }
    },
  }
}

/** Deletes the rows of a table, on every shard: a move may have left some on an earlier one. */
function rowsEraser(at: ErasedTenant, name: TableName): Eraser {
  const table = tenantTables.find((each) => each.name === name)
  if (table === undefined) throw new Error(`no table of tenants is named ${name}`)
  const limit = name === 'archive' ? pagesPerPart : rowsPerPart
  const place = async (cursor: string) => (table.database === 'shard' ? await shardAt(at, cursor) : directoryAt(at))
  return {
    count: async () => {
      let rows = 0
      for (let cursor: string | null = ''; cursor !== null;) {
        const database = await place(cursor)
        rows += database === undefined ? 0 : await countRows(database.database, name, at.tenant)
        cursor = database?.following ?? null
      }
      return rows
    },
    eraseSome: async (cursor) => {
      const database = await place(cursor)
      if (database === undefined) return { erased: 0, next: null }
      const after = database.rest === '' ? null : keyOf(database.rest)
      const { deleted, last } = await deleteRows(database.database, table, at.tenant, { after, limit })
      const next = last === null ? database.following : cursorAt(database.name, JSON.stringify(last))
      return { erased: deleted, next }
    },
    verifySome: async (cursor) => {
      const database = await place(cursor)
      if (database === undefined) return { checked: 0, left: 0, next: null }
      const left = await countRows(database.database, name, at.tenant)
      return { checked: 1, left, next: database.following }
    },
  }
}

/** A database of a cursor: its name, what follows in the cursor, and where the next database begins. */
interface PlaceOfCursor {
  readonly name: string
  readonly database: Database
  readonly rest: string
  readonly following: string | null
}

const cursorAt = (shard: string, rest: string): string => `${shard} ${rest}`

async function shardAt({ env }: ErasedTenant, cursor: string): Promise<PlaceOfCursor | undefined> {
  const config = loadConfig(env)
  const { shards } = await shardsNow(config, platformOf(env))
  const names = shards.map((shard) => shard.name).toSorted()
  const [, wanted = '', rest = ''] = /^(\S+) (.*)$/s.exec(cursor) ?? []
  const place = wanted === '' ? 0 : names.findIndex((name) => name >= wanted)
  const name = names[place]
  if (name === undefined) return undefined
  const following = names[place + 1]
  return {
    name,
    database: named(name, await openShard(config, platformOf(env), name, 'write', deadlineMs)),
    rest: name === wanted ? rest : '',
    following: following === undefined ? null : cursorAt(following, ''),
  }
}

function directoryAt({ env }: ErasedTenant): PlaceOfCursor {
  const config = loadConfig(env)
  const database = named('directory', connect(config, config.directoryUrl, deadlineMs))
  return { name: 'directory', database, rest: '', following: null }
}

function keyOf(text: string): string[] {
  const key: string[] = JSON.parse(text)
  return key
}

/** What is in memory only, or ends by itself soon after. */
const nothing: Eraser = {
  eraseSome: async () => ({ erased: 0, next: null }),
  verifySome: async () => ({ checked: 0, left: 0, next: null }),
}

/** Connections are closed, again in case one has opened meanwhile. */
const gateways = ({ env, tenant }: ErasedTenant): Eraser => ({
  eraseSome: async () => {
    await inLanes(actorsTogether, gatewayNames(loadConfig(env)), async (name) => {
      await inTime(name, gatewayNamed(env, name).tenantStateChanged(tenant, 'erased'))
    })
    return { erased: 0, next: null }
  },
  verifySome: async () => {
    let left = 0
    let checked = 0
    await inLanes(actorsTogether, await platformOf(env).usedGateways(), async ({ gateway }) => {
      const { clients } = await inTime(gateway, gatewayNamed(env, gateway).tenantStats(tenant))
      checked++
      left += clients
    })
    return { checked, left, next: null }
  },
})

const platform = ({ env, tenant }: ErasedTenant): Eraser => ({
  eraseSome: async () => ({ erased: await platformOf(env).eraseTenant(tenant), next: null }),
  verifySome: async () => ({ checked: 1, left: await platformOf(env).rowsOfTenant(tenant), next: null }),
})

const writers = ({ env, tenant }: ErasedTenant): Eraser => {
  /** Answers whether a lane of a shard had noted the tenant. */
  const forgetAll = async (): Promise<readonly boolean[]> => {
    const { shards } = await shardsNow(loadConfig(env), platformOf(env))
    const jurisdiction = tenant.includes('.') ? jurisdictionOf(tenant) : undefined
    const lanes = shards.flatMap(({ name }) => shardWriters(env, name, jurisdiction))
    return await inTime('shard writers', Promise.all(lanes.map(({ writer }) => writer.forgetTenant(tenant))))
  }
  return {
    eraseSome: async () => ({ erased: (await forgetAll()).filter(Boolean).length, next: null }),
    verifySome: async () => {
      const had = await forgetAll()
      return { checked: had.length, left: had.filter(Boolean).length, next: null }
    },
  }
}

const redis = ({ env, tenant }: ErasedTenant): Eraser => {
  const config = loadConfig(env)
  const scan = async (cursor: string) => await scanKeys(config, tenant, cursor === '' ? '0' : cursor)
  return {
    eraseSome: async (cursor) => {
      const { keys, next } = await scan(cursor)
      const isDeleted = keys.length === 0 || (await openCache(config).delete(...keys))
      if (!isDeleted) throw new Error('Redis did not confirm a deletion')
      return { erased: keys.length, next }
    },
    verifySome: async (cursor) => {
      const { keys, next } = await scan(cursor)
      return { checked: 1, left: keys.length, next }
    },
  }
}

/** The bytes of all files of the tenant; parts of files that were never completed end by themselves (docs/deploy.md). */
const blobs = ({ env, tenant }: ErasedTenant): Eraser => {
  const store = openBlobs(env)
  const page = async () =>
    store === undefined ? { keys: [], next: undefined } : await store.list(blobPrefix(tenant), undefined)
  return {
    eraseSome: async () => {
      const { keys, next } = await page()
      await store?.delete(keys)
      // The first page is the next one, once its keys are gone.
      return { erased: keys.length, next: next === undefined ? null : 'next' }
    },
    verifySome: async () => ({ checked: 1, left: (await page()).keys.length, next: null }),
  }
}

const inTime = async <T>(what: string, call: Promise<T>): Promise<T> => await within(actorMs, what, call)

type MakeEraser = (at: ErasedTenant, part: Step['part']) => Eraser

const rowsOf =
  (name: TableName): MakeEraser =>
  (at) =>
    rowsEraser(at, name)

const actorsOf =
  (name: keyof typeof classes): MakeEraser =>
  (at, part) =>
    actorsEraser(at, classes[name], part)

/** Every store of the registry but the tenant's own actor, which ends the deletion. A store without one does not compile. */
const erasers: Readonly<Record<Exclude<StoreName, 'Tenant'>, MakeEraser>> = {
  conversations: rowsOf('conversations'),
  members: rowsOf('members'),
  messages: rowsOf('messages'),
  archive: rowsOf('archive'),
  message_search: rowsOf('message_search'),
  search_settings: rowsOf('search_settings'),
  usage: rowsOf('usage'),
  moves: rowsOf('moves'),
  move_notes: rowsOf('move_notes'),
  placements: rowsOf('placements'),
  tenants: rowsOf('tenants'),
  Conversation: actorsOf('Conversation'),
  Inbox: actorsOf('Inbox'),
  EventLog: actorsOf('EventLog'),
  EventConsumer: actorsOf('EventConsumer'),
  EventCatalog: actorsOf('EventCatalog'),
  ProcessView: actorsOf('ProcessView'),
  InboxNotes: actorsOf('InboxNotes'),
  Activity: actorsOf('Activity'),
  JobQueue: actorsOf('JobQueue'),
  Topic: actorsOf('Topic'),
  Moderation: actorsOf('Moderation'),
  Facade: actorsOf('Facade'),
  RateLimiter: actorsOf('RateLimiter'),
  ActorNames: actorsOf('ActorNames'),
  Saga: actorsOf('Saga'),
  SagaCatalog: actorsOf('SagaCatalog'),
  NotificationCatalog: actorsOf('NotificationCatalog'),
  Notifications: actorsOf('Notifications'),
  Recipients: actorsOf('Recipients'),
  Breaker: actorsOf('Breaker'),
  Platform: platform,
  ShardWriter: writers,
  ShardReader: () => nothing,
  CacheEpochs: () => nothing,
  Gateway: gateways,
  redis,
  // A message has only names; a run that it starts finds no queue.
  qstash: () => nothing,
  blobs,
}

/** What a step of the plan does. */
export function eraserOf(at: ErasedTenant, { store, part }: Step): Eraser {
  if (store === 'Tenant') throw new Error('the actor of the tenant is no step of a plan')
  return erasers[store](at, part)
}

/** Keeps out late writes: what a deletion does before it erases anything. Repeats do no harm. */
export async function fence({ env, tenant }: ErasedTenant): Promise<void> {
  noteErased(tenant)
  await inTime('the platform', platformOf(env).noteDeleted(tenant))
  await inTime('the caches', cacheEpochsOf(env).invalidate([tenantTag(tenant)], undefined))
  await gateways({ env, tenant }).eraseSome('')
  for (const number of numbers(namesActors))
    await inTime('the names', actorNamesNumbered(env, tenant, Number(number)).close())
  for (let cursor: string | null = ''; cursor !== null;) {
    const shard: PlaceOfCursor | undefined = await shardAt({ env, tenant }, cursor)
    if (shard !== undefined) await refuseRows(shard.database, tenant)
    cursor = shard?.following ?? null
  }
}

/** The steps of a deletion that are of actors, which are measured in the same order. */
const measuredSteps: readonly Step[] = [...stepsOf('listed'), ...stepsOf('others')].filter(
  ({ store }) => store in classes,
)

/**
 * The sizes of the next actors of a tenant: parts are added until there are many actors, or `isOver` says so. `cursor` is "" at first.
 * Each actor is opened for it.
 */
export async function measureActors(at: ErasedTenant, cursor: string, isOver: () => boolean): Promise<ActorSizes> {
  const sizes = new Map<string, { actors: number; bytes: number }>()
  let actors = 0
  const [, digits = '0', inner = ''] = /^(\d+) (.*)$/s.exec(cursor) ?? []
  let [number, rest] = [Number(digits), inner]
  for (let step = measuredSteps[number]; step !== undefined; step = measuredSteps[number]) {
    const part = await eraserOf(at, step).measureSome?.(rest)
    const known = sizes.get(step.store) ?? { actors: 0, bytes: 0 }
    sizes.set(step.store, { actors: known.actors + (part?.actors ?? 0), bytes: known.bytes + (part?.bytes ?? 0) })
    actors += part?.actors ?? 0
    const next = part?.next ?? null
    if (next === null) number++
    rest = next ?? ''
    if (actors >= measuredAtOnce || isOver()) break
  }
  return {
    actors: [...sizes].filter(([, size]) => size.actors > 0).map(([name, size]) => ({ class: name, ...size })),
    next: number < measuredSteps.length ? `${number} ${rest}` : null,
  }
}

const measuredAtOnce = 128

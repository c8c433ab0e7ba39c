/** How the parts of a store that belong to one tenant are found. `unlisted`: by their names only, which no list holds. */
type Found = 'by-tenant' | 'numbered' | 'listed' | 'unlisted'

/**
 * What has to be done with a store. A test fails while a table or a class of actors is in neither list of this file, so that
 * a tenant that is moved, exported or deleted leaves nothing behind because it was forgotten.
 */
export interface TenantStore {
  readonly kind: 'table' | 'actor' | 'cache' | 'message'
  readonly holds: string
  readonly found: Found
  /** Between shards: `copied` with its shard, `switched` with a new epoch, `stays` where it is, `dropped` and made again. */
  readonly move: 'copied' | 'switched' | 'stays' | 'dropped'
  /** `rows` of the tenant, the whole `storage` of each actor, `expires` by itself, or `last`, when all others are gone. */
  readonly delete: 'rows' | 'storage' | 'expires' | 'last'
  /** `itself` where it is the authority, `elsewhere` where another store has the same, `never` for secrets and counters. */
  readonly export: 'itself' | 'elsewhere' | 'never'
  /** That nothing is left: `counted` rows of the tenant, `empty` storage of each actor, or `absent` keys. */
  readonly verify: 'counted' | 'empty' | 'absent'
}

/** A column that orders the rows of a tenant, with its type, which a cursor's texts are cast to. */
export interface KeyColumn {
  readonly name: string
  readonly type: 'text' | 'bigint' | 'timestamptz' | 'date'
}

/** A table with a `tenant_id`. */
export interface TableStore extends TenantStore {
  readonly kind: 'table'
  readonly database: 'shard' | 'directory'
  /** The primary key after `tenant_id`, in the order of its index: what reads and deletes go through page by page. */
  readonly key: readonly KeyColumn[]
}

/** A class of actors. */
export interface ActorStore extends TenantStore {
  readonly kind: 'actor'
}

type Rest<S> = Partial<Omit<S, 'kind' | 'holds' | 'key'>>

const table = (holds: string, key: readonly KeyColumn[], rest: Rest<TableStore> = {}): TableStore => ({
  kind: 'table',
  holds,
  database: 'shard',
  key,
  found: 'by-tenant',
  move: 'copied',
  delete: 'rows',
  export: 'elsewhere',
  verify: 'counted',
  ...rest,
})

const conversation = { name: 'conversation_id', type: 'text' } as const

const actor = (holds: string, found: Found, rest: Rest<ActorStore> = {}): ActorStore => ({
  kind: 'actor',
  holds,
  found,
  move: 'stays',
  delete: 'storage',
  export: 'itself',
  verify: 'empty',
  ...rest,
})

/** Tables in the order in which a tenant's rows are copied: those that others belong to come first. */
const tables = {
  conversations: table('names and types of conversations', [conversation]),
  members: table('members of conversations', [conversation, { name: 'user_id', type: 'text' }]),
  messages: table('messages and other entries of conversations', [
    conversation,
    { name: 'seq', type: 'bigint' },
    { name: 'sent_at', type: 'timestamptz' },
  ]),
  archive: table(
    'pages of old messages, which the conversations no longer hold',
    [conversation, { name: 'epoch', type: 'text' }, { name: 'page', type: 'bigint' }],
    { export: 'itself' },
  ),
  usage: table('use by day', [{ name: 'day', type: 'date' }], { export: 'itself' }),
  moves: table('what a move does with the tenant on this shard', [], {
    move: 'stays',
    export: 'never',
  }),
  move_notes: table('rows that changed during a move', [{ name: 'id', type: 'bigint' }], {
    move: 'stays',
    export: 'never',
  }),
  placements: table('the newest epoch on this shard', [], { move: 'switched', delete: 'last', export: 'never' }),
  tenants: table('the line of the directory', [], { database: 'directory', move: 'stays', delete: 'last' }),
} satisfies Readonly<Record<string, TableStore>>

const actors = {
  Conversation: actor('the log, members and settings of a conversation', 'listed'),
  Inbox: actor('the list of conversations and revocations of a user', 'listed'),
  InboxNotes: actor('what users without a connection have missed', 'numbered', { export: 'elsewhere' }),
  Activity: actor('where conversations stand', 'numbered', { export: 'elsewhere' }),
  JobQueue: actor('jobs, schedules and secrets of a queue', 'listed'),
  Topic: actor('the publications that a topic keeps', 'listed'),
  EventLog: actor('the events of a topic', 'listed'),
  EventConsumer: actor('the position of a consumer, its retries and dead letters', 'listed'),
  EventCatalog: actor('event types, and the names of topics, consumers and processes', 'by-tenant'),
  ProcessView: actor('definitions and instances of a process', 'listed'),
  RateLimiter: actor('what was spent of a limit', 'listed', { export: 'never' }),
  ActorNames: actor('names of topics, limiters and inboxes that no other store lists', 'numbered', { export: 'never' }),
  Tenant: actor('settings, keys and placement', 'by-tenant', { delete: 'last' }),
  Saga: actor('runs of sagas', 'numbered'),
  SagaCatalog: actor('definitions of sagas and the secret that signs their calls', 'by-tenant'),
  Facade: actor('routes of the facade, their versions and reported differences', 'by-tenant'),
  Breaker: actor(
    'breakers of the hosts that the tenant named; another one of each service is the platform’s',
    'by-tenant',
    {
      export: 'never',
    },
  ),
  Platform: actor('lists of tenants, queues and due tasks', 'by-tenant', {
    delete: 'rows',
    export: 'never',
    verify: 'counted',
  }),
  ShardWriter: actor('when the use of a tenant was last noted', 'by-tenant', {
    delete: 'rows',
    export: 'never',
    verify: 'absent',
  }),
  ShardReader: actor('pages of old history, in memory only', 'by-tenant', {
    move: 'dropped',
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  }),
  CacheEpochs: actor('numbers of invalidations by tag', 'by-tenant', {
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  }),
  Gateway: actor('open connections and their attachments', 'by-tenant', {
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  }),
} satisfies Readonly<Record<string, ActorStore>>

const outside = {
  redis: {
    kind: 'cache',
    holds: 'the record of the tenant and pages of history',
    found: 'by-tenant',
    move: 'dropped',
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  },
  qstash: {
    kind: 'message',
    holds: 'runs of jobs that are due, by names only',
    found: 'unlisted',
    move: 'stays',
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  },
} satisfies Readonly<Record<string, TenantStore>>

export type TableName = keyof typeof tables
export type ActorClass = keyof typeof actors
export type StoreName = TableName | ActorClass | keyof typeof outside

/** Everything that holds something of one tenant: tables and classes of actors by their names, and what is outside. */
export const tenantStores: Readonly<Record<StoreName, TenantStore>> = { ...tables, ...actors, ...outside }

/** The tables of tenants with their keys, in the order in which rows are copied. */
export const tenantTables: readonly (TableStore & { readonly name: TableName })[] = namesOf(tables).map((name) => ({
  name,
  ...tables[name],
}))

/** The classes of actors of tenants. */
export const actorStores: Readonly<Record<ActorClass, ActorStore>> = actors

function namesOf<N extends string>(stores: Readonly<Record<N, unknown>>): N[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal of this file
  return Object.keys(stores) as N[]
}

/** Tables and classes of actors that hold nothing of a tenant, with the reason. */
export const withoutTenants: Readonly<Record<string, string>> = {
  schema_migrations: 'the migrations that a database has run',
}

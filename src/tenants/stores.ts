/** How the parts of a store that belong to one tenant are found. `unlisted`: by their names only, which no list holds. */
type Found = 'by-tenant' | 'numbered' | 'listed' | 'unlisted'

/**
 * What has to be done with a store. A test fails while a table or a class of actors is in neither list of this file, so that
 * a tenant that is moved, exported or deleted leaves nothing behind because it was forgotten.
 */
export interface TenantStore {
  readonly kind: 'table' | 'actor' | 'cache' | 'message' | 'blob'
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
  /** What it holds of one user. There is no default: a new store says it. */
  readonly user: UserData
}

/** What a store holds of one user of its tenant, and what the erasure and the export of the user do with it. */
export interface UserData {
  /** In words; "nothing" where it holds nothing of a user. */
  readonly holds: string
  /** Under the id of the user, in the conversations that the user was in, by the names of actors, or by nothing. */
  readonly found: 'by-user' | 'by-conversation' | 'by-names' | 'nowhere'
  /**
   * `deleted`, or `rewritten` with a pseudonym in the place of the id; an eraser in `src/handlers/user-erasers.ts` does both.
   * `follows`: rewritten when another store is. `expires` by itself. `tenant`: content whose form only the tenant knows, which its
   * server deletes. `none` where nothing is held.
   */
  readonly erase: 'deleted' | 'rewritten' | 'follows' | 'expires' | 'tenant' | 'none'
  /** `itself` where the export reads it, `elsewhere` where another store has the same, `never` for counters, and for content of the tenant. */
  readonly export: 'itself' | 'elsewhere' | 'never'
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

type Rest<S> = Partial<Omit<S, 'kind' | 'holds' | 'key' | 'user'>>

const nothingOfUsers = { holds: 'nothing', found: 'nowhere', erase: 'none', export: 'never' } as const
/** What the tenant's server wrote, in a form of its own. */
const contentOf = <const H extends string>(holds: H) =>
  ({ holds, found: 'nowhere', erase: 'tenant', export: 'never' }) as const

const table = <const U extends UserData>(
  holds: string,
  key: readonly KeyColumn[],
  user: U,
  rest: Rest<TableStore> = {},
): TableStore & { readonly user: U } => ({
  kind: 'table',
  user,
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

const actor = <const U extends UserData>(
  holds: string,
  found: Found,
  user: U,
  rest: Rest<ActorStore> = {},
): ActorStore & { readonly user: U } => ({
  kind: 'actor',
  user,
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
  conversations: table('names and types of conversations', [conversation], {
    holds: 'who created a conversation',
    found: 'by-conversation',
    erase: 'rewritten',
    export: 'elsewhere',
  }),
  members: table('members of conversations', [conversation, { name: 'user_id', type: 'text' }], {
    holds: 'memberships',
    found: 'by-conversation',
    erase: 'follows',
    export: 'elsewhere',
  }),
  messages: table(
    'messages and other entries of conversations',
    [conversation, { name: 'seq', type: 'bigint' }, { name: 'sent_at', type: 'timestamptz' }],
    {
      holds: 'entries that the user wrote or that name them',
      found: 'by-conversation',
      erase: 'rewritten',
      export: 'itself',
    },
  ),
  archive: table(
    'pages of old messages, which the conversations no longer hold',
    [conversation, { name: 'epoch', type: 'text' }, { name: 'page', type: 'bigint' }],
    {
      holds: 'entries that the user wrote or that name them',
      found: 'by-conversation',
      erase: 'rewritten',
      export: 'itself',
    },
    { export: 'itself' },
  ),
  message_search: table(
    'texts of messages as they are now, and the words by which they are found',
    [conversation, { name: 'seq', type: 'bigint' }],
    { holds: 'texts that the user wrote', found: 'by-conversation', erase: 'rewritten', export: 'elsewhere' },
  ),
  search_settings: table(
    'the language of the search, and how far older messages have been added',
    [{ name: 'name', type: 'text' }],
    nothingOfUsers,
    { export: 'never' },
  ),
  usage: table('use by day', [{ name: 'day', type: 'date' }], nothingOfUsers, { export: 'itself' }),
  moves: table('what a move does with the tenant on this shard', [], nothingOfUsers, {
    move: 'stays',
    export: 'never',
  }),
  move_notes: table(
    'rows that changed during a move',
    [{ name: 'id', type: 'bigint' }],
    { holds: 'keys of members that changed during a move', found: 'nowhere', erase: 'expires', export: 'never' },
    { move: 'stays', export: 'never' },
  ),
  placements: table('the newest epoch on this shard', [], nothingOfUsers, {
    move: 'switched',
    delete: 'last',
    export: 'never',
  }),
  tenants: table('the line of the directory', [], nothingOfUsers, {
    database: 'directory',
    move: 'stays',
    delete: 'last',
  }),
} satisfies Readonly<Record<string, TableStore>>

const actors = {
  Conversation: actor('the log, members and settings of a conversation', 'listed', {
    holds: 'entries, the membership, mentions and the read cursor',
    found: 'by-conversation',
    erase: 'rewritten',
    export: 'itself',
  }),
  Inbox: actor('the list of conversations and revocations of a user', 'listed', {
    holds: 'the list of conversations; in lists of others previews and names of members',
    found: 'by-user',
    erase: 'deleted',
    export: 'itself',
  }),
  InboxNotes: actor(
    'what users without a connection have missed',
    'numbered',
    {
      holds: 'notes for the user, and previews and members of conversations',
      found: 'by-user',
      erase: 'deleted',
      export: 'elsewhere',
    },
    { export: 'elsewhere' },
  ),
  Activity: actor(
    'where conversations stand',
    'numbered',
    { holds: 'previews, members and read states', found: 'by-conversation', erase: 'rewritten', export: 'elsewhere' },
    { export: 'elsewhere' },
  ),
  JobQueue: actor('jobs, schedules and secrets of a queue', 'listed', {
    holds: 'messages that the user scheduled for later; payloads of other jobs are content of the tenant',
    found: 'by-names',
    erase: 'deleted',
    export: 'itself',
  }),
  Topic: actor('the publications that a topic keeps', 'listed', {
    holds: 'publications of the user, for 30 days at most',
    found: 'nowhere',
    erase: 'expires',
    export: 'never',
  }),
  EventLog: actor('the events of a topic', 'listed', {
    holds: 'own events of Parley that name the user, for 14 days; events of other topics are content of the tenant',
    found: 'by-names',
    erase: 'rewritten',
    export: 'never',
  }),
  EventConsumer: actor('the position of a consumer, its retries and dead letters', 'listed', {
    holds: 'own events of Parley that are tried again; events of other topics are content of the tenant',
    found: 'by-names',
    erase: 'rewritten',
    export: 'never',
  }),
  EventCatalog: actor('event types, and the names of topics, consumers and processes', 'by-tenant', nothingOfUsers),
  ProcessView: actor(
    'definitions and instances of a process',
    'listed',
    contentOf('correlation ids, and users that may follow instances'),
  ),
  RateLimiter: actor(
    'what was spent of a limit',
    'listed',
    { holds: 'what the user has spent of limits', found: 'by-names', erase: 'deleted', export: 'never' },
    { export: 'never' },
  ),
  ActorNames: actor(
    'names of topics, limiters and inboxes that no other store lists',
    'numbered',
    { holds: 'names of the inbox and the limiters of the user', found: 'by-names', erase: 'deleted', export: 'never' },
    { export: 'never' },
  ),
  Tenant: actor('settings, keys and placement', 'by-tenant', nothingOfUsers, { delete: 'last' }),
  Saga: actor('runs of sagas', 'numbered', contentOf('inputs of runs, and users that may follow them')),
  SagaCatalog: actor('definitions of sagas and the secret that signs their calls', 'by-tenant', nothingOfUsers),
  NotificationCatalog: actor(
    'workflows, categories, templates and providers of notifications',
    'by-tenant',
    contentOf('addresses that a provider reported as undeliverable'),
  ),
  Notifications: actor('accepted notifications and how far they have been handed over', 'numbered', {
    holds: 'users that a notification names, until it has been handed over, and its data until it expires',
    found: 'nowhere',
    erase: 'expires',
    export: 'never',
  }),
  Recipients: actor('profiles, preferences and notices of users', 'numbered', {
    holds: 'the profile, preferences, targets, the feed, and what was decided for each notification',
    found: 'by-user',
    erase: 'deleted',
    export: 'itself',
  }),
  Moderation: actor('bans from the tenant, reports and what was decided about them', 'by-tenant', {
    holds:
      'the ban of the user, reviews of what the user wrote, reports that the user made, and acts of moderators about the user',
    found: 'by-names',
    erase: 'rewritten',
    export: 'never',
  }),
  Facade: actor(
    'routes of the facade, their versions and reported differences',
    'by-tenant',
    contentOf('samples of requests that were answered differently'),
  ),
  Breaker: actor(
    'breakers of the hosts that the tenant named; another one of each service is the platform’s',
    'by-tenant',
    nothingOfUsers,
    {
      export: 'never',
    },
  ),
  Platform: actor('lists of tenants, queues and due tasks', 'by-tenant', nothingOfUsers, {
    delete: 'rows',
    export: 'never',
    verify: 'counted',
  }),
  ShardWriter: actor('when the use of a tenant was last noted', 'by-tenant', nothingOfUsers, {
    delete: 'rows',
    export: 'never',
    verify: 'absent',
  }),
  ShardReader: actor(
    'pages of old history, in memory only',
    'by-tenant',
    { holds: 'old entries, for seconds', found: 'nowhere', erase: 'expires', export: 'elsewhere' },
    {
      move: 'dropped',
      delete: 'expires',
      export: 'never',
      verify: 'absent',
    },
  ),
  CacheEpochs: actor('numbers of invalidations by tag', 'by-tenant', nothingOfUsers, {
    delete: 'expires',
    export: 'never',
    verify: 'absent',
  }),
  Gateway: actor(
    'open connections and their attachments',
    'by-tenant',
    { holds: 'connections of the user, which are closed', found: 'nowhere', erase: 'expires', export: 'never' },
    {
      delete: 'expires',
      export: 'never',
      verify: 'absent',
    },
  ),
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
    user: { holds: 'pages of old entries', found: 'by-conversation', erase: 'follows', export: 'elsewhere' },
  },
  qstash: {
    kind: 'message',
    holds: 'runs of jobs that are due, by names only',
    found: 'unlisted',
    move: 'stays',
    delete: 'expires',
    export: 'never',
    verify: 'absent',
    user: nothingOfUsers,
  },
  blobs: {
    kind: 'blob',
    holds: 'the bytes of files that were uploaded into conversations',
    found: 'by-tenant',
    move: 'stays',
    delete: 'rows',
    export: 'never',
    verify: 'counted',
    user: {
      holds: 'files that the user sent: with their messages they are deleted, others stay with theirs',
      found: 'by-conversation',
      erase: 'follows',
      export: 'elsewhere',
    },
  },
} as const satisfies Readonly<Record<string, TenantStore>>

export type TableName = keyof typeof tables
export type ActorClass = keyof typeof actors
export type StoreName = TableName | ActorClass | keyof typeof outside

type Stores = typeof tables & typeof actors & typeof outside
/** The stores of which parts are deleted or rewritten when a user is erased. */
export type ErasedOfUser = {
  [N in StoreName]: Stores[N]['user']['erase'] extends 'deleted' | 'rewritten' ? N : never
}[StoreName]

/** The stores that the export of a user reads. */
export type ExportedOfUser = {
  [N in StoreName]: Stores[N]['user']['export'] extends 'itself' ? N : never
}[StoreName]

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

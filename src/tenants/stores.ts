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

const table = (holds: string, rest: Partial<TenantStore> = {}): TenantStore => ({
  kind: 'table',
  holds,
  found: 'by-tenant',
  move: 'copied',
  delete: 'rows',
  export: 'elsewhere',
  verify: 'counted',
  ...rest,
})

const actor = (holds: string, found: Found, rest: Partial<TenantStore> = {}): TenantStore => ({
  kind: 'actor',
  holds,
  found,
  move: 'stays',
  delete: 'storage',
  export: 'itself',
  verify: 'empty',
  ...rest,
})

/** Everything that holds something of one tenant: tables and classes of actors by their names, and what is outside. */
export const tenantStores: Readonly<Record<string, TenantStore>> = {
  messages: table('messages and other entries of conversations'),
  archive: table('pages of old messages, which the conversations no longer hold', { export: 'itself' }),
  conversations: table('names and types of conversations'),
  members: table('members of conversations'),
  usage: table('use by day', { export: 'itself' }),
  placements: table('the newest epoch on this shard', { move: 'switched', delete: 'last', export: 'never' }),
  tenants: table('the line of the directory', { move: 'stays', delete: 'last' }),

  Conversation: actor('the log, members and settings of a conversation', 'listed'),
  Inbox: actor('the list of conversations and revocations of a user', 'listed'),
  InboxNotes: actor('what users without a connection have missed', 'numbered', { export: 'elsewhere' }),
  Activity: actor('where conversations stand', 'numbered', { export: 'elsewhere' }),
  JobQueue: actor('jobs, schedules and secrets of a queue', 'listed'),
  Topic: actor('the publications that a topic keeps', 'unlisted'),
  RateLimiter: actor('what was spent of a limit', 'unlisted', { export: 'never' }),
  Tenant: actor('settings, keys and placement', 'by-tenant', { delete: 'last' }),
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
}

/** Tables and classes of actors that hold nothing of a tenant, with the reason. */
export const withoutTenants: Readonly<Record<string, string>> = {
  schema_migrations: 'the migrations that a database has run',
}

/**
 * The parts of the system. `core` is the main Worker; each of the others runs in it or as a Worker of its own
 * (docs/design/contexts.md). Every operation, actor, scheduled task, table and folder belongs to exactly one of them, which
 * test/checks/contexts.test.ts checks: a new one is added here, and `npm run contexts` writes the configurations again.
 */
export interface Context {
  /** Its operations, by their tags. */
  readonly tags: readonly string[]
  /** Operations that are its own though their tag belongs to another context, by their ids. */
  readonly operations: readonly string[]
  /** Requests that are no operations, by the beginning of their paths. */
  readonly routes: readonly string[]
  /** Classes of actors. */
  readonly actors: readonly string[]
  /** Scheduled tasks, by their names in src/cron/schedule.ts. */
  readonly crons: readonly string[]
  /** Tables in Postgres. Those of actors belong to the actor. */
  readonly tables: readonly string[]
  /** Where its code is; folders end in a slash. Files directly in `src/` and `durable-objects/` belong to `core`. */
  readonly sources: readonly string[]
  /** Rules that other contexts use as well, since they run in every process. */
  readonly shared: readonly string[]
}

export const contexts = {
  jobs: {
    tags: ['Jobs', 'Queues', 'Schedules'],
    operations: ['drainJobs', 'readTenantJob'],
    routes: ['/jobs'],
    actors: ['JobQueue'],
    crons: ['sweep', 'reconcile', 'failures'],
    tables: [],
    sources: [
      'src/jobs/',
      'src/edge/resources/jobs/',
      'src/handlers/attempt.ts',
      'src/handlers/deliver-message.ts',
      'src/handlers/drain.ts',
      'src/handlers/handlers.ts',
      'src/handlers/http.ts',
      'src/handlers/job-worker.ts',
      'src/handlers/worker-run.ts',
      'src/cron/failures.ts',
      'src/cron/reconcile.ts',
      'src/cron/sweep.ts',
      'src/adapters/qstash/',
      'durable-objects/job-queue/',
    ],
    shared: [],
  },
  limits: {
    tags: ['Limits'],
    operations: [],
    routes: [],
    actors: ['RateLimiter'],
    crons: [],
    tables: [],
    sources: ['src/edge/resources/limits/', 'durable-objects/rate-limiter/'],
    shared: ['src/limits/'],
  },
  notifications: {
    tags: ['Notifications', 'Users', 'Feed', 'Preferences', 'Notification topics'],
    operations: [],
    routes: ['/n', '/preferences', '/provider-events', '/unsubscribe'],
    actors: ['NotificationCatalog', 'Notifications', 'Recipients'],
    crons: [],
    tables: [],
    sources: [
      'src/notifications/',
      'src/edge/resources/notifications/',
      'src/handlers/notification-fetch.ts',
      'src/handlers/notification-call.ts',
      'src/handlers/notification-smtp.ts',
      'src/handlers/notification-chat.ts',
      'src/handlers/notification-worker.ts',
      'src/handlers/tracked-html.ts',
      'durable-objects/notification-catalog/',
      'durable-objects/notifications/',
      'durable-objects/recipients/',
    ],
    shared: [],
  },
  events: {
    tags: ['Events', 'Consumers', 'Webhooks', 'Processes', 'Sagas'],
    operations: [],
    routes: [],
    actors: ['EventLog', 'EventCatalog', 'EventConsumer', 'ProcessView', 'Saga', 'SagaCatalog'],
    crons: [],
    tables: [],
    sources: [
      'src/event-log/',
      'src/processes/',
      'src/sagas/',
      'src/edge/resources/events/',
      'src/edge/resources/processes/',
      'src/edge/resources/sagas/',
      'src/adapters/saga-endpoint.ts',
      'src/handlers/saga-worker.ts',
      'durable-objects/event-catalog/',
      'durable-objects/event-consumer/',
      'durable-objects/event-log/',
      'durable-objects/process-view/',
      'durable-objects/saga/',
      'durable-objects/saga-catalog/',
    ],
    shared: [],
  },
  core: {
    tags: [
      'Conversations',
      'Export',
      'Facade',
      'Members',
      'Messages',
      'Moderation',
      'Operator',
      'Search',
      'Settings',
      'Tokens',
      'Topics',
      'Uploads',
      'Usage',
    ],
    operations: ['eraseUser', 'readUserErasure'],
    routes: [
      '/',
      '/api',
      '/connection',
      '/demo',
      '/docs',
      '/emulation',
      '/favicon.ico',
      '/files',
      '/healthz',
      '/metrics',
      '/openapi.json',
      '/docs.md',
      '/llms.txt',
      '/readyz',
    ],
    actors: [
      'Activity',
      'ActorNames',
      'Breaker',
      'CacheEpochs',
      'Conversation',
      'Facade',
      'Gateway',
      'Inbox',
      'InboxNotes',
      'Moderation',
      'Platform',
      'ShardReader',
      'ShardWriter',
      'Tenant',
      'Topic',
    ],
    crons: ['connections', 'warm', 'usage', 'placements', 'partitions', 'archive', 'search'],
    tables: [
      'archive',
      'conversations',
      'members',
      'message_search',
      'messages',
      'move_notes',
      'moves',
      'placements',
      'schema_migrations',
      'search_settings',
      'tenants',
      'usage',
    ],
    sources: [
      'src/activity/',
      'src/adapters/',
      'src/auth/',
      'src/cache/',
      'src/conversations/',
      'src/events/',
      'src/facade/',
      'src/history/',
      'src/inbox/',
      'src/kernel/',
      'src/moderation/',
      'src/protocol/',
      'src/realtime/',
      'src/resilience/',
      'src/search/',
      'src/tenants/',
      'src/topics/',
      'src/uploads/',
      'src/webhooks/',
      'src/edge/facade/',
      'src/edge/http/',
      'src/edge/identity/',
      'src/edge/middleware/',
      'src/edge/openapi/',
      'src/edge/rate-limits/',
      'src/edge/server-api/',
      'src/edge/resources/all-operations.ts',
      'src/edge/resources/admin/',
      'src/edge/resources/conversations/',
      'src/edge/resources/demo/',
      'src/edge/resources/exports/',
      'src/edge/resources/facade/',
      'src/edge/resources/moderation/',
      'src/edge/resources/namespaces/',
      'src/edge/resources/operations/',
      'src/edge/resources/pages/',
      'src/edge/resources/realtime/',
      'src/edge/resources/search/',
      'src/edge/resources/shards/',
      'src/edge/resources/tenants/',
      'src/edge/resources/uploads/',
      'src/edge/resources/users/',
      'src/handlers/context-worker.ts',
      'src/handlers/erase-user.ts',
      'src/handlers/own-operations.ts',
      'src/handlers/user-erasers.ts',
      'src/cron/archive.ts',
      'src/cron/connections.ts',
      'src/cron/months.ts',
      'src/cron/partitions.ts',
      'src/cron/placed.ts',
      'src/cron/placements.ts',
      'src/cron/queues.ts',
      'src/cron/run.ts',
      'src/cron/schedule.ts',
      'src/cron/search.ts',
      'src/cron/shards.ts',
      'src/cron/usage.ts',
      'src/cron/warm.ts',
      'durable-objects/activity/',
      'durable-objects/actor-names/',
      'durable-objects/breaker/',
      'durable-objects/cache-epochs/',
      'durable-objects/conversation/',
      'durable-objects/facade/',
      'durable-objects/gateway/',
      'durable-objects/inbox/',
      'durable-objects/inbox-notes/',
      'durable-objects/moderation/',
      'durable-objects/platform/',
      'durable-objects/shard-reader/',
      'durable-objects/shard-writer/',
      'durable-objects/shared/',
      'durable-objects/tenant/',
      'durable-objects/topic/',
    ],
    shared: [],
  },
} as const satisfies Readonly<Record<string, Context>>

export type ContextName = keyof typeof contexts

/** A context that can run as a Worker of its own. */
export type LeavingContext = Exclude<ContextName, 'core'>

const names = Object.keys(contexts).filter(isContext)

export const leavingContexts: readonly LeavingContext[] = names.filter((name) => name !== 'core')

export function isContext(name: string): name is ContextName {
  return Object.hasOwn(contexts, name)
}

/** The service binding through which other Workers call a context. */
export const bindingOf = <C extends ContextName>(context: C): Uppercase<C> => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is what the type says
  return context.toUpperCase() as Uppercase<C>
}

const listing = (part: (context: Context) => readonly string[]): ReadonlyMap<string, ContextName> =>
  new Map(names.flatMap((name) => part(contexts[name]).map((each) => [each, name] as const)))

const ofTag = listing(({ tags }) => tags)
const ofOperation = listing(({ operations }) => operations)
const ofCron = listing(({ crons }) => crons)

/** The context of an operation; undefined while it is in none, which the check of contexts refuses. */
export const contextOfOperation = ({
  id,
  tag,
}: {
  readonly id: string
  readonly tag: string
}): ContextName | undefined => ofOperation.get(id) ?? ofTag.get(tag)

/** The context of a scheduled task. */
export const contextOfCron = (name: string): ContextName => ofCron.get(name) ?? 'core'

const read = new Map<string, ReadonlySet<ContextName>>()

/** The contexts of a Worker that has these only, from its variable `CONTEXTS`; undefined for the main Worker. */
export function contextsHere({ CONTEXTS: text }: { readonly CONTEXTS?: string }): ReadonlySet<ContextName> | undefined {
  if (text === undefined || text === '') return undefined
  const known = read.get(text) ?? readContexts(text)
  read.set(text, known)
  return known
}

function readContexts(text: string): ReadonlySet<ContextName> {
  const given = text.split(',').map((name) => name.trim())
  const unknown = given.find((name) => !isContext(name) || name === 'core')
  if (unknown !== undefined) throw new Error(`CONTEXTS: one or more of ${leavingContexts.join(', ')}, got "${unknown}"`)
  return new Set(given.filter(isContext))
}

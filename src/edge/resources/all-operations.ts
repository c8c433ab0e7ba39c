import type { Operation } from '../http/operations.ts'
import { admin } from './admin/admin.ts'
import { conversations } from './conversations/conversations.ts'
import { jobs } from './jobs/jobs.ts'
import { queues } from './jobs/queues.ts'
import { schedules } from './jobs/schedules.ts'
import { consumers } from './events/consumers.ts'
import { eventTopics } from './events/event-topics.ts'
import { eventTypes } from './events/event-types.ts'
import { events } from './events/events.ts'
import { webhooks } from './events/webhooks.ts'
import { limits } from './limits/limits.ts'
import { feeds } from './notifications/feed.ts'
import { chat } from './notifications/chat.ts'
import { preferences } from './notifications/preferences.ts'
import { notificationTopics } from './notifications/topics.ts'
import { notificationProviders } from './notifications/providers.ts'
import { templates } from './notifications/templates.ts'
import { profiles } from './notifications/users.ts'
import { notifications } from './notifications/notifications.ts'
import { workflows } from './notifications/workflows.ts'
import { namespaces } from './namespaces/namespaces.ts'
import { processInstances } from './processes/instances.ts'
import { processes } from './processes/processes.ts'
import { sagaRuns } from './sagas/saga-runs.ts'
import { sagas } from './sagas/sagas.ts'
import { facadeRoutes } from './facade/facade-routes.ts'
import { tenantBans } from './moderation/bans.ts'
import { blocks } from './moderation/blocks.ts'
import { contentRulesOperations } from './moderation/content-rules.ts'
import { reviews } from './moderation/reviews.ts'
import { keySets } from './tenants/key-sets.ts'
import { settings } from './tenants/settings.ts'
import { signingKeys } from './tenants/signing-keys.ts'
import { usage } from './tenants/usage.ts'
import { exports } from './exports/exports.ts'
import { uploads } from './uploads/uploads.ts'
import { erasures } from './users/erasure.ts'
import { tokens } from './users/tokens.ts'
import { users } from './users/users.ts'
import { searches } from './search/search-messages.ts'

/** Every operation of the HTTP API, in the order of the documentation. */
export const operations: readonly Operation[] = [
  ...conversations,
  ...uploads,
  ...searches,
  ...tokens,
  ...users,
  ...tenantBans,
  ...blocks,
  ...reviews,
  ...contentRulesOperations,
  ...erasures,
  ...exports,
  ...signingKeys,
  ...keySets,
  ...namespaces,
  ...settings,
  ...limits,
  ...jobs,
  ...queues,
  ...schedules,
  ...events,
  ...eventTopics,
  ...eventTypes,
  ...consumers,
  ...webhooks,
  ...processes,
  ...processInstances,
  ...sagas,
  ...sagaRuns,
  ...profiles,
  ...feeds,
  ...preferences,
  ...chat,
  ...notificationTopics,
  ...templates,
  ...notificationProviders,
  ...facadeRoutes,
  ...workflows,
  ...notifications,
  ...usage,
  ...admin,
]

import { env, waitUntil } from 'cloudflare:workers'
import { breakerOf, cacheEpochsOf } from '../durable-objects/address.ts'
import { useBreakers } from './adapters/dependency.ts'
import { useEpochs } from './adapters/process-epochs.ts'
import { contextsHere } from './contexts.ts'
import { runCron } from './cron/run.ts'
import { app } from './edge/http/app.ts'
import { facade } from './edge/facade/facade.ts'
import { facadePlace } from './edge/facade/place.ts'
import { connect, connectionPath } from './edge/http/connection.ts'
import type { Env } from './env.ts'

export { ContextWorker } from './handlers/context-worker.ts'
export { JobWorker } from './handlers/job-worker.ts'
export { NotificationWorker } from './handlers/notification-worker.ts'
export { SagaWorker } from './handlers/saga-worker.ts'
export { Activity } from '../durable-objects/activity/activity.ts'
export { ActorNames } from '../durable-objects/actor-names/actor-names.ts'
export { CacheEpochs } from '../durable-objects/cache-epochs/cache-epochs.ts'
export { Breaker } from '../durable-objects/breaker/breaker.ts'
export { Conversation } from '../durable-objects/conversation/conversation.ts'
export { EventCatalog } from '../durable-objects/event-catalog/event-catalog.ts'
export { EventConsumer } from '../durable-objects/event-consumer/event-consumer.ts'
export { EventLog } from '../durable-objects/event-log/event-log.ts'
export { Facade } from '../durable-objects/facade/facade.ts'
export { Moderation } from '../durable-objects/moderation/moderation.ts'
export { Gateway } from '../durable-objects/gateway/gateway.ts'
export { NotificationCatalog } from '../durable-objects/notification-catalog/notification-catalog.ts'
export { Notifications } from '../durable-objects/notifications/notifications.ts'
export { Platform } from '../durable-objects/platform/platform.ts'
export { Inbox } from '../durable-objects/inbox/inbox.ts'
export { InboxNotes } from '../durable-objects/inbox-notes/inbox-notes.ts'
export { JobQueue } from '../durable-objects/job-queue/job-queue.ts'
export { ProcessView } from '../durable-objects/process-view/process-view.ts'
export { RateLimiter } from '../durable-objects/rate-limiter/rate-limiter.ts'
export { Recipients } from '../durable-objects/recipients/recipients.ts'
export { Saga } from '../durable-objects/saga/saga.ts'
export { SagaCatalog } from '../durable-objects/saga-catalog/saga-catalog.ts'
export { ShardReader } from '../durable-objects/shard-reader/shard-reader.ts'
export { ShardWriter } from '../durable-objects/shard-writer/shard-writer.ts'
export { Tenant } from '../durable-objects/tenant/tenant.ts'
export { Topic } from '../durable-objects/topic/topic.ts'

useBreakers({
  report: ({ tenant, key }, report) => breakerOf(env, tenant, key).report(key, report),
  keep: waitUntil,
})

useEpochs((known, read) => cacheEpochsOf(env).since(known, read))

export default {
  fetch(request, env, ctx) {
    // A Worker of single contexts is reached by service bindings only.
    if (contextsHere(env) !== undefined) return new Response(null, { status: 404 })
    const place = facadePlace(request, env)
    if (place !== undefined) return facade(request, env, ctx, place)
    // A cheap look first: only few requests need their URL parsed here.
    const isConnection = request.url.includes(connectionPath) && new URL(request.url).pathname === connectionPath
    return isConnection ? connect(request, env, ctx) : app.fetch(request, env, ctx)
  },
  async scheduled({ cron, scheduledTime }, env) {
    await runCron(env, cron, scheduledTime)
  },
} satisfies ExportedHandler<Env>

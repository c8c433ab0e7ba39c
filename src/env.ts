import type {
  ActivityRpc,
  ActorNamesRpc,
  CacheEpochsRpc,
  ContextService,
  BreakerRpc,
  EventCatalogRpc,
  EventConsumerRpc,
  EventLogRpc,
  FacadeRpc,
  ModerationRpc,
  ConversationRpc,
  GatewayRpc,
  InboxNotesRpc,
  InboxRpc,
  JobQueueRpc,
  PlatformRpc,
  ProcessViewRpc,
  RateLimiterRpc,
  SagaCatalogRpc,
  SagaRpc,
  ShardReaderRpc,
  ShardWriterRpc,
  TenantRpc,
  TopicRpc,
} from '../durable-objects/contracts.ts'
import type {
  NotificationCatalogRpc,
  NotificationsRpc,
  RecipientsRpc,
} from '../durable-objects/notification-contracts.ts'
import type { ForwardedCaller } from './auth/principal.ts'
import type { RequestContext } from './kernel/request-context.ts'
import type { Vars } from './vars.ts'

/** The bindings of the Worker: the actors' namespaces and the variables that `loadConfig` reads. */
export interface Env extends Vars {
  readonly GATEWAY: DurableObjectNamespace<GatewayRpc>
  readonly CONVERSATION: DurableObjectNamespace<ConversationRpc>
  readonly ACTIVITY: DurableObjectNamespace<ActivityRpc>
  readonly ACTOR_NAMES: DurableObjectNamespace<ActorNamesRpc>
  readonly TOPIC: DurableObjectNamespace<TopicRpc>
  readonly INBOX: DurableObjectNamespace<InboxRpc>
  readonly INBOX_NOTES: DurableObjectNamespace<InboxNotesRpc>
  readonly SHARD_READER: DurableObjectNamespace<ShardReaderRpc>
  readonly SHARD_WRITER: DurableObjectNamespace<ShardWriterRpc>
  readonly TENANT: DurableObjectNamespace<TenantRpc>
  readonly PLATFORM: DurableObjectNamespace<PlatformRpc>
  readonly CACHE_EPOCHS: DurableObjectNamespace<CacheEpochsRpc>
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiterRpc>
  readonly JOB_QUEUE: DurableObjectNamespace<JobQueueRpc>
  readonly EVENT_LOG: DurableObjectNamespace<EventLogRpc>
  readonly EVENT_CONSUMER: DurableObjectNamespace<EventConsumerRpc>
  readonly EVENT_CATALOG: DurableObjectNamespace<EventCatalogRpc>
  readonly PROCESS_VIEW: DurableObjectNamespace<ProcessViewRpc>
  readonly SAGA: DurableObjectNamespace<SagaRpc>
  readonly SAGA_CATALOG: DurableObjectNamespace<SagaCatalogRpc>
  readonly NOTIFICATION_CATALOG: DurableObjectNamespace<NotificationCatalogRpc>
  readonly NOTIFICATION_STORE: DurableObjectNamespace<NotificationsRpc>
  readonly RECIPIENTS: DurableObjectNamespace<RecipientsRpc>
  readonly FACADE: DurableObjectNamespace<FacadeRpc>
  readonly MODERATION: DurableObjectNamespace<ModerationRpc>
  readonly BREAKER: DurableObjectNamespace<BreakerRpc>
  /** The bucket of attachments on Cloudflare and Miniflare; elsewhere BLOB_* name one behind the S3 API. */
  readonly BLOBS?: R2Bucket
  /**
   * The network for tenants' endpoints, which reaches public addresses only, whatever a name resolves to. Bound when
   * the Worker is self-hosted; Cloudflare's own egress is like that already.
   */
  readonly ENDPOINTS?: Fetcher
  /** Workers of contexts that do not run in this one (docs/design/contexts.md); `CORE` is bound in those Workers only. */
  readonly CORE?: ContextService
  readonly JOBS?: ContextService
  readonly LIMITS?: ContextService
  readonly NOTIFICATIONS?: ContextService
  readonly EVENTS?: ContextService
  /** The caller of a request that another Worker authenticated; never set by a request from outside. */
  readonly forwarded?: ForwardedCaller
  /** The tenant whose server this Worker is for a request that it makes itself; never set by a request from outside. */
  readonly innerTenant?: string
  /** The request on whose behalf these bindings are used; undefined in actors, alarms and cron. */
  readonly request?: RequestContext
}

declare global {
  namespace Cloudflare {
    interface Env extends ParleyEnv {}
  }
  type ParleyEnv = Env
}

/** The bindings as they are used on behalf of `request`: its ids go into log lines, and its trace goes on with its jobs. */
export const forRequest = (env: Env, request: RequestContext): Env =>
  // Defined, not set: where bindings are behind a proxy, a set would reach through to the bindings of all requests.
  Object.create(env, { request: { value: request }, worker: { value: env.worker ?? env } })

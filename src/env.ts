import type {
  ConversationRpc,
  GatewayRpc,
  InboxNotesRpc,
  InboxRpc,
  JobQueueRpc,
  PlatformRpc,
  RateLimiterRpc,
  ShardWriterRpc,
  TenantRpc,
  TopicRpc,
} from '../durable-objects/contracts.ts'
import type { Vars } from './vars.ts'

/** The bindings of the Worker: the actors' namespaces and the variables that `loadConfig` reads. */
export interface Env extends Vars {
  readonly GATEWAY: DurableObjectNamespace<GatewayRpc>
  readonly CONVERSATION: DurableObjectNamespace<ConversationRpc>
  readonly TOPIC: DurableObjectNamespace<TopicRpc>
  readonly INBOX: DurableObjectNamespace<InboxRpc>
  readonly INBOX_NOTES: DurableObjectNamespace<InboxNotesRpc>
  readonly SHARD_WRITER: DurableObjectNamespace<ShardWriterRpc>
  readonly TENANT: DurableObjectNamespace<TenantRpc>
  readonly PLATFORM: DurableObjectNamespace<PlatformRpc>
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiterRpc>
  readonly JOB_QUEUE: DurableObjectNamespace<JobQueueRpc>
  /**
   * The network for tenants' endpoints, which reaches public addresses only, whatever a name resolves to. Bound when
   * the Worker is self-hosted; Cloudflare's own egress is like that already.
   */
  readonly ENDPOINTS?: Fetcher
}

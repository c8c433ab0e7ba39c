import type { Vars } from './vars.ts'

/** The bindings of the Worker: the actors' namespaces and the variables that `loadConfig` reads. */
export interface Env extends Vars {
  readonly GATEWAY: DurableObjectNamespace<import('../durable-objects/gateway/gateway.ts').Gateway>
  readonly CONVERSATION: DurableObjectNamespace<import('../durable-objects/conversation/conversation.ts').Conversation>
  readonly TOPIC: DurableObjectNamespace<import('../durable-objects/topic/topic.ts').Topic>
  readonly INBOX: DurableObjectNamespace<import('../durable-objects/inbox/inbox.ts').Inbox>
  readonly INBOX_NOTES: DurableObjectNamespace<import('../durable-objects/inbox-notes/inbox-notes.ts').InboxNotes>
  readonly SHARD_WRITER: DurableObjectNamespace<import('../durable-objects/shard-writer/shard-writer.ts').ShardWriter>
  readonly TENANT: DurableObjectNamespace<import('../durable-objects/tenant/tenant.ts').Tenant>
  readonly PLATFORM: DurableObjectNamespace<import('../durable-objects/platform/platform.ts').Platform>
  readonly RATE_LIMITER: DurableObjectNamespace<import('../durable-objects/rate-limiter/rate-limiter.ts').RateLimiter>
  readonly JOB_QUEUE: DurableObjectNamespace<import('../durable-objects/job-queue/job-queue.ts').JobQueue>
  /**
   * The network for tenants' endpoints, which reaches public addresses only, whatever a name resolves to. Bound when
   * the Worker is self-hosted; Cloudflare's own egress is like that already.
   */
  readonly ENDPOINTS?: Fetcher
}

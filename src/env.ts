import type { Vars } from './vars.ts'

/** What the platform binds for us: the actors' namespaces and the variables `loadConfig` reads. */
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
   * The way to tenants' endpoints, which leads to public addresses only, whatever a name resolves to. Bound where one
   * hosts the Worker oneself; Cloudflare's own way out is like that already.
   */
  readonly ENDPOINTS?: Fetcher
}

import { runCron } from './cron/run.ts'
import { app } from './edge/app.ts'
import { connect, connectionPath } from './edge/connection.ts'
import type { Env } from './env.ts'

export { Visitor } from './handlers/visitor.ts'
export { Conversation } from '../durable-objects/conversation.ts'
export { Gateway } from '../durable-objects/gateway.ts'
export { House } from '../durable-objects/house.ts'
export { Inbox } from '../durable-objects/inbox.ts'
export { InboxNotes } from '../durable-objects/inbox-notes.ts'
export { JobQueue } from '../durable-objects/job-queue.ts'
export { RateLimiter } from '../durable-objects/rate-limiter.ts'
export { ShardWriter } from '../durable-objects/shard-writer.ts'
export { Tenant } from '../durable-objects/tenant.ts'
export { Topic } from '../durable-objects/topic.ts'

export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    return pathname === connectionPath ? connect(request, env, ctx) : app.fetch(request, env, ctx)
  },
  async scheduled({ cron, scheduledTime }, env) {
    await runCron(env, cron, scheduledTime)
  },
} satisfies ExportedHandler<Env>

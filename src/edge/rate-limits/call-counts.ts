import { reportCalls } from '../../../durable-objects/report-calls.ts'
import { systemClock } from '../../kernel/clock.ts'
import { CallCounts } from '../../tenants/call-counts.ts'
import type { AppContext } from '../http/context.ts'

const counts = new CallCounts()

/** Counts a request of a tenant's server or user. About once a minute all that this isolate counted is reported, behind the answer. */
export function countRequest(c: AppContext): void {
  const principal = c.get('principal')
  if (principal.kind === 'anonymous') return
  const now = systemClock.now()
  counts.add(principal.tenant, 1)
  if (counts.isDue(now)) c.executionCtx.waitUntil(reportCalls(c.env, 'requests', counts, now))
}

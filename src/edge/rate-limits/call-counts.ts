import { platformOf, tenantOf } from '../../../durable-objects/address.ts'
import { systemClock } from '../../kernel/clock.ts'
import { CallCounts } from '../../tenants/call-counts.ts'
import { reportCalls, type CallReceiver } from '../../tenants/report-calls.ts'
import type { Env } from '../../env.ts'
import type { AppContext } from '../http/context.ts'

const counts = new CallCounts()

const receiverOf = (env: Env): CallReceiver => ({
  noteCalls: async (tenant, calls) => await tenantOf(env, tenant).noteCalls('requests', calls),
  noteUse: async (tenants) => await platformOf(env).noteUse(tenants),
})

/** Counts a request of a tenant's server or user. About once a minute all that this isolate counted is reported, behind the answer. */
export function countRequest(c: AppContext): void {
  const principal = c.get('principal')
  if (principal.kind === 'anonymous') return
  countRequestOf(c.env, principal.tenant, (report) => c.executionCtx.waitUntil(report))
}

/** The same for a request whose tenant is known otherwise; `keep` lets the report end behind the answer. */
export function countRequestOf(env: Env, tenant: string, keep: (report: Promise<void>) => void): void {
  const now = systemClock.now()
  counts.add(tenant, 1)
  if (counts.isDue(now)) keep(reportCalls(receiverOf(env), counts, now))
}

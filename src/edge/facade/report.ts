import { callFacade } from '../../../durable-objects/open-facade.ts'
import type { Env } from '../../env.ts'
import { OutcomeCounts, type ShadowOutcome } from '../../facade/outcomes.ts'
import type { FallbackReason } from '../../facade/repeat.ts'
import type { Side } from '../../facade/route.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { within } from '../../kernel/retry.ts'

/** What this process did and did not report yet. */
export const outcomes = new OutcomeCounts()

/** What this process did with requests of all facades, since it began. */
export const facadeFigures = {
  requests: { legacy: 0, new: 0 } satisfies Record<Side, number>,
  errors: { legacy: 0, new: 0 } satisfies Record<Side, number>,
  fallbacks: { '5xx': 0, timeout: 0, breaker: 0 } satisfies Record<FallbackReason, number>,
  shadows: { same: 0, different: 0, failed: 0, skipped: 0 } satisfies Record<ShadowOutcome, number>,
}

const reportAfterMs = 1000
const reportMs = 5000
/** A report whose request was cancelled is under way no longer than this. */
const leaseMs = 10_000

/** Until when a tenant's next report is under way. */
const reporting = new BoundedMap<string, number>(1000)

/** Reports what is counted of a tenant a second from now, with all that is counted meanwhile. */
export function reportSoon(env: Env, executionCtx: Pick<ExecutionContext, 'waitUntil'>, tenant: string): void {
  const now = systemClock.now()
  if ((reporting.get(tenant) ?? 0) > now) return
  reporting.set(tenant, now + leaseMs)
  executionCtx.waitUntil(reportLater(env, tenant))
}

async function reportLater(env: Env, tenant: string): Promise<void> {
  await scheduler.wait(reportAfterMs)
  reporting.delete(tenant)
  const reports = outcomes.take(tenant)
  if (reports.length === 0) return
  try {
    await within(
      reportMs,
      'the facade',
      callFacade(env, tenant, (facade) => facade.report(reports)),
    )
  } catch (thrown) {
    log.warn('facade.report-failed', { tenant, reason: reasonOf(thrown) })
  }
}

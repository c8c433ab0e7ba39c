import { noteEveryMs } from '../events/due.ts'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { inLanes } from '../kernel/in-lanes.ts'
import { log, reasonOf } from '../kernel/log.ts'
import type { CallCounts } from './call-counts.ts'
import { isKnownErased } from './erased.ts'

/** Where calls are reported. */
export interface CallReceiver {
  /** The actor of a tenant. */
  noteCalls(tenant: string, calls: number): Promise<void>
  /** The platform, which then has the use of these tenants written down. */
  noteUse(tenants: readonly string[]): Promise<void>
}

/** Tenants whose use this isolate noted at the platform, and when: each once an hour. */
const noted = new BoundedMap<string, number>(10_000)
const together = 4

/** Reports calls to the tenants' actors, one call for each tenant. What could not be reported is counted again. Never throws. */
export async function reportCalls(receiver: CallReceiver, counts: CallCounts, now: number): Promise<void> {
  const taken = [...counts.take(now)].filter(([tenant]) => !isKnownErased(tenant))
  try {
    await inLanes(together, taken, async ([tenant, calls]) => {
      try {
        await receiver.noteCalls(tenant, calls)
      } catch (thrown) {
        counts.add(tenant, calls)
        throw thrown
      }
    })
    const used = taken.map(([tenant]) => tenant).filter((tenant) => now - (noted.get(tenant) ?? 0) >= noteEveryMs)
    if (used.length > 0) await receiver.noteUse(used)
    for (const tenant of used) noted.set(tenant, now)
  } catch (thrown) {
    log.warn('usage.calls-unreported', { reason: reasonOf(thrown) })
  }
}

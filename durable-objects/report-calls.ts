import type { Env } from '../src/env.ts'
import { noteEveryMs } from '../src/events/due.ts'
import { BoundedMap } from '../src/kernel/bounded-map.ts'
import { inLanes } from '../src/kernel/in-lanes.ts'
import { log, reasonOf } from '../src/kernel/log.ts'
import { CallCounts } from '../src/tenants/call-counts.ts'
import { isKnownErased } from '../src/tenants/erased.ts'
import { platformOf, tenantOf } from './address.ts'

/** Tenants whose use this isolate noted at the platform, and when: each once an hour. */
const noted = new BoundedMap<string, number>(10_000)
const together = 4

/** Reports the commands of a gateway's connections. */
export class CommandReports {
  readonly #env: Env
  readonly #counts = new CallCounts()

  constructor(env: Env) {
    this.#env = env
  }

  /** Takes what was counted since the last call, "" for connections that were not admitted, and reports it about once a minute. */
  report(commands: Map<string, number>, now: number): void {
    for (const [tenant, calls] of commands) if (tenant !== '') this.#counts.add(tenant, calls)
    commands.clear()
    if (this.#counts.isDue(now)) void reportCalls(this.#env, 'commands', this.#counts, now)
  }
}

/** Reports calls to the tenants' actors, one call for each tenant. What could not be reported is counted again. Never throws. */
export async function reportCalls(
  env: Env,
  kind: 'requests' | 'commands',
  counts: CallCounts,
  now: number,
): Promise<void> {
  const taken = [...counts.take(now)].filter(([tenant]) => !isKnownErased(tenant))
  try {
    await inLanes(together, taken, async ([tenant, calls]) => {
      try {
        await tenantOf(env, tenant).noteCalls(kind, calls)
      } catch (thrown) {
        counts.add(tenant, calls)
        throw thrown
      }
    })
    const used = taken.map(([tenant]) => tenant).filter((tenant) => now - (noted.get(tenant) ?? 0) >= noteEveryMs)
    if (used.length > 0) await platformOf(env).noteUse(used)
    for (const tenant of used) noted.set(tenant, now)
  } catch (thrown) {
    log.warn('usage.calls-unreported', { kind, reason: reasonOf(thrown) })
  }
}

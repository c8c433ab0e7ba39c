import type { Env } from '../../src/env.ts'
import { CallCounts } from '../../src/tenants/call-counts.ts'
import { reportCalls } from '../../src/tenants/report-calls.ts'
import { platformOf, tenantOf } from '../address.ts'

/** Reports the commands of a gateway's connections for the usage of their tenants. */
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
    if (!this.#counts.isDue(now)) return
    const env = this.#env
    const receiver = {
      noteCalls: async (tenant: string, calls: number) => await tenantOf(env, tenant).noteCalls('commands', calls),
      noteUse: async (tenants: readonly string[]) => await platformOf(env).noteUse(tenants),
    }
    void reportCalls(receiver, this.#counts, now)
  }
}

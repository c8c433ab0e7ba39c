import type { Env } from '../../src/env.ts'
import { LeaseHolder, type Taken } from '../../src/limits/lease.ts'
import { limiterOf } from '../address.ts'
import type { TenantCache } from '../../src/tenants/cache.ts'

/** How fast a user may send: leases from her limiter, spent here without asking. */
export class MessageLimits {
  readonly #holder = new LeaseHolder()
  readonly #tenants: TenantCache
  readonly #env: Env

  constructor(env: Env, tenants: TenantCache) {
    this.#env = env
    this.#tenants = tenants
  }

  /** One message of `user`: an answer at once while the lease lasts, else a promise of one. */
  take(tenant: string, user: string, clock: () => number): Taken | Promise<Taken> {
    const key = `${tenant}/${user}`
    return (
      this.#holder.takeNow(key, clock()) ?? this.#holder.take(key, (_, want) => this.#ask(key, want, clock()), clock)
    )
  }

  async #ask(key: string, want: number, now: number) {
    const slash = key.indexOf('/')
    const tenant = key.slice(0, slash)
    const limits = (await this.#tenants.get(tenant, now))?.record.limits
    const rate = { perSecond: limits?.messagesPerSecond ?? 1, burst: limits?.messagesBurst ?? 1 }
    return limiterOf(this.#env, tenant, 'messages', key.slice(slash + 1)).lease({ rate, want })
  }
}

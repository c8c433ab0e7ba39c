import { policyOf } from '../../../src/limits/built-in-policies.ts'
import { LeaseHolder } from '../../../src/limits/holder.ts'
import type { Taken } from '../../../src/limits/ports.ts'
import { limiterName } from '../../address.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { LimitLevels } from './limit-levels.ts'
import type { MessageLimitStats } from '../../contracts.ts'

const maxNames = 20_000

/** The rate limit of a tenant's users for messages. Decides from leases of the limiters, which is arithmetic while they last. */
export class MessageLimits {
  readonly #clock: GatewayContext['clock']
  readonly #holder = new LeaseHolder(policyOf)
  readonly #levels: LimitLevels
  /** The name of each user's limiter, by tenant: composing it for every message would cost more than deciding. */
  readonly #names = new Map<string, Map<string, string>>()
  #named = 0

  constructor(gateway: Pick<GatewayContext, 'env' | 'tenants' | 'names' | 'clock'>) {
    this.#clock = gateway.clock
    this.#levels = new LimitLevels(gateway, this.#holder)
  }

  /** Takes one message of `user` to `channel`: the answer while a lease lasts, else a promise of it. */
  take(tenant: string, user: string, channel: string, client = ''): Taken | Promise<Taken> {
    const key = this.#names.get(tenant)?.get(user) ?? this.#name(tenant, user)
    const hasLevels = this.#levels.byTenant.has(tenant)
    const taken = hasLevels ? undefined : this.#holder.takeNow(key, this.#clock.now())
    if (taken !== undefined) return taken
    const message = { tenant, key, channel, client }
    return (hasLevels ? this.#levels.takeNow(message) : undefined) ?? this.#levels.take(message)
  }

  /** Figures for /metrics, by policy, and the keys with the most refusals. */
  stats(): MessageLimitStats {
    const { counters } = this.#holder
    return { policies: counters.all(), refused: counters.top.list() }
  }

  #name(tenant: string, user: string): string {
    if (++this.#named > maxNames) {
      this.#names.clear()
      this.#named = 1
    }
    const name = limiterName(tenant, 'messages', user)
    const names = this.#names.get(tenant) ?? new Map<string, string>()
    this.#names.set(tenant, names.set(user, name))
    return name
  }
}

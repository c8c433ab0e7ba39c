import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { decideAll, decideNow, type Decider, type Level } from '../../src/limits/decide.ts'
import { LeaseHolder } from '../../src/limits/holder.ts'
import { houseRules, messageLevels, policyOf, typingWindow, type HousePolicy } from '../../src/limits/house-rules.ts'
import { LocalLimits } from '../../src/limits/local.ts'
import type { Source, Taken } from '../../src/limits/ports.ts'
import { limiterName, limiterNamed } from '../address.ts'
import type { TenantCache } from '../../src/tenants/cache.ts'
import type { TenantRecord } from '../../src/tenants/record.ts'

const mostNames = 20_000
/** A limiter that takes longer is one that cannot be reached. */
const patienceMs = 2000

/** How fast a user may send, and a tenant's users together: leases from their limiters, spent here without asking. */
export class MessageLimits {
  readonly #env: Env
  readonly #tenants: TenantCache
  readonly #holder = new LeaseHolder(policyOf)
  readonly #decider: Decider = {
    holder: this.#holder,
    fallback: new LocalLimits(),
    alone: false,
    onUnreachable: (_, thrown) => log.warn('gateway.limiter-unreachable', { why: reasonOf(thrown) }),
  }
  /** Tenants that limit their conversations or all their users together, too: further levels of the same decision. */
  readonly #shared = new Map<string, ReturnType<typeof messageLevels>>()
  readonly #typing = new LocalLimits()
  /** The limiter's name of each tenant's users: to put it together for every message would cost more than to decide. */
  readonly #names = new Map<string, Map<string, string>>()
  #named = 0

  constructor(env: Env, tenants: TenantCache) {
    this.#env = env
    this.#tenants = tenants
  }

  /** One message of `user` to `channel`: an answer at once while the leases last, else a promise of one. */
  take(tenant: string, user: string, channel: string, clock: () => number): Taken | Promise<Taken> {
    const key = this.#names.get(tenant)?.get(user) ?? this.#name(tenant, user)
    const known =
      this.#shared.size > 0 && this.#shared.has(tenant)
        ? decideNow(this.#holder, this.#keys(tenant, key, channel), clock())
        : this.#holder.takeNow(key, clock())
    return known ?? this.#ask(tenant, key, channel, clock)
  }

  /** Milliseconds until a connection may say again that somebody types; 0 for now. */
  typing(client: string, now: number): number {
    return this.#typing.takeAll(client, [typingWindow], now)
  }

  /** Figures for /metrics, by policy, and the keys refused most. */
  stats() {
    const { tallies } = this.#holder
    return { policies: tallies.all(), refused: tallies.top.list() }
  }

  #name(tenant: string, user: string): string {
    if (++this.#named > mostNames) {
      this.#names.clear()
      this.#named = 1
    }
    const name = limiterName(tenant, 'messages', user)
    const names = this.#names.get(tenant) ?? new Map<string, string>()
    this.#names.set(tenant, names.set(user, name))
    return name
  }

  async #ask(tenant: string, key: string, channel: string, clock: () => number): Promise<Taken> {
    const levels = messageLevels((await this.#record(tenant, clock))?.limits)
    if (levels.conversation || levels.tenant) this.#shared.set(tenant, levels)
    else this.#shared.delete(tenant)
    const keys = this.#keys(tenant, key, channel)
    const decision = await decideAll(
      this.#decider,
      keys.map((each) => this.#level(tenant, each, clock)),
    )
    this.#returnIdle(clock())
    // Chat goes on without limiters, at this gateway's own count: both levels fail open, so none is ever unreachable.
    return decision.kind === 'unreachable' ? { kind: 'limited', retryAfterMs: patienceMs } : decision
  }

  /** What nobody here spends goes back to its limiters; what fails to return is lost until it refills. */
  #returnIdle(now: number): void {
    for (const { key, closing } of this.#holder.idle(now))
      limiterNamed(this.#env, key)
        .settle(closing)
        .catch(() => undefined)
  }

  #keys(tenant: string, key: string, channel: string): string[] {
    const shared = this.#shared.get(tenant)
    return [
      key,
      ...(shared?.conversation === true ? [limiterName(tenant, 'messages-conversation', channel)] : []),
      ...(shared?.tenant === true ? [limiterName(tenant, 'messages-tenant', '')] : []),
    ]
  }

  #level(tenant: string, key: string, clock: () => number): Level {
    return { key, cost: 1, source: this.#source(tenant, key, clock), whenUnreachable: 'open' }
  }

  #source(tenant: string, key: string, clock: () => number): Source {
    const stub = limiterNamed(this.#env, key)
    return {
      clock,
      rules: async () => {
        const record = await this.#record(tenant, clock)
        return houseRules(messagePolicy(key), record?.limits, record?.version)
      },
      limiter: {
        lease: (ask) => within(patienceMs, 'the limiter', stub.lease(ask)),
        settle: (closing) => stub.settle(closing),
        refund: (units, at) => stub.refund(units, at),
      },
    }
  }

  async #record(tenant: string, clock: () => number): Promise<TenantRecord | undefined> {
    return (await this.#tenants.get(tenant, clock()))?.record
  }
}

const policies: readonly HousePolicy[] = ['messages', 'messages-conversation', 'messages-tenant']
const messagePolicy = (key: string) => policies.find((policy) => policy === policyOf(key)) ?? 'messages'

import type { Env } from '../../../src/env.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { within } from '../../../src/kernel/retry.ts'
import { connectionRules } from '../../../src/limits/built-in-policies.ts'
import type { Rules } from '../../../src/limits/rules.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { TenantCache } from '../../../src/tenants/cache.ts'
import { limiterName, limiterNamed } from '../../address.ts'
import type { KeyValue } from '../../rate-limiter/limiter-store.ts'

/** What is not held anew within this time is free again: a gateway that died holds nothing for longer. */
const ttlMs = 90_000
const timeoutMs = 2000
const key = 'slotted'

/** What this works with; `kv` remembers, while the gateway sleeps, whose connections are counted. */
export interface TenantConnectionLimiterContext {
  readonly env: Env
  readonly gateway: string
  readonly tenants: TenantCache
  readonly kv: KeyValue
  readonly clock: Clock
}

interface Waiting {
  readonly session: Session
  readonly settle: (admitted: boolean) => void
}

interface Held {
  readonly inside: Set<Session>
  readonly waiting: Waiting[]
  /** Slots the limiter gave this gateway. */
  granted: number
  /** Somebody left, or it is time to say again how many are here. */
  stale: boolean
  busy: boolean
}

/**
 * The connections of tenants that limit how many they may have at once, at all gateways together: a slot for each, taken
 * as it comes in, given back as it goes. Calls gather while one is under way. Without the limiter everybody is let in.
 */
export class TenantConnectionLimiter {
  readonly #context: TenantConnectionLimiterContext
  readonly #tenants = new Map<string, Held>()

  constructor(parts: TenantConnectionLimiterContext) {
    this.#context = parts
  }

  /** Whether there is a slot for the connection. A tenant without such a limit costs nothing. */
  async take(session: Session): Promise<boolean> {
    const rules = await this.#rulesOf(session.tenant).catch(() => undefined)
    if (rules === undefined) return true
    const held = this.#hold(session.tenant)
    // While the limiter is being told how many are here, a slot above that is somebody else's already.
    if (!held.busy && held.inside.size < held.granted) {
      held.inside.add(session)
      return true
    }
    return await new Promise((settle) => {
      held.waiting.push({ session, settle })
      if (!held.busy) void this.#serve(session.tenant, held)
    })
  }

  /** Counts sessions as they were before the gateway slept; the limiter still does, until it is told again. */
  restore(sessions: readonly Session[]): void {
    const slotted = new Set(this.#slotted())
    for (const session of sessions) if (slotted.has(session.tenant)) this.#hold(session.tenant).inside.add(session)
  }

  /** The connection is gone; its slot is somebody else's now. */
  release(session: Session): void {
    const held = this.#tenants.get(session.tenant)
    if (held?.inside.delete(session) === true) this.#refresh(session.tenant, held)
  }

  /** Says again how many are here, so that they go on being counted. */
  renew(): void {
    for (const [tenant, held] of this.#tenants) this.#refresh(tenant, held)
  }

  #hold(tenant: string): Held {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return known
    const held: Held = { inside: new Set(), waiting: [], granted: 0, stale: false, busy: false }
    this.#tenants.set(tenant, held)
    if (!this.#slotted().includes(tenant)) this.#context.kv.put(key, [...this.#tenants.keys()])
    return held
  }

  #refresh(tenant: string, held: Held): void {
    held.stale = true
    if (!held.busy) void this.#serve(tenant, held)
  }

  async #serve(tenant: string, held: Held): Promise<void> {
    held.busy = true
    while (held.waiting.length > 0 || held.stale) {
      const batch = held.waiting.splice(0)
      held.stale = false
      held.granted = await this.#ask(tenant, held.inside.size + batch.length)
      for (const { session, settle } of batch) {
        const admitted = held.inside.size < held.granted
        if (admitted) held.inside.add(session)
        settle(admitted)
      }
    }
    held.busy = false
    if (held.inside.size > 0) return
    this.#tenants.delete(tenant)
    this.#context.kv.put(key, [...this.#tenants.keys()])
  }

  async #ask(tenant: string, slots: number): Promise<number> {
    try {
      const rules = await this.#rulesOf(tenant)
      if (rules === undefined) return slots
      const { env, gateway } = this.#context
      const limiter = limiterNamed(env, limiterName(tenant, 'connections-tenant', ''))
      return await within(timeoutMs, 'the limiter', limiter.hold(rules, gateway, slots, ttlMs))
    } catch (thrown) {
      log.warn('gateway.slots-unreachable', { why: reasonOf(thrown) })
      return slots
    }
  }

  async #rulesOf(tenant: string): Promise<Rules | undefined> {
    const admission = await this.#context.tenants.get(tenant, this.#context.clock.now())
    return admission === undefined ? undefined : connectionRules(admission.record)
  }

  #slotted(): readonly string[] {
    const kept = this.#context.kv.get(key)
    return Array.isArray(kept) ? kept.map(String) : []
  }
}

import { log, reasonOf } from '../../../src/kernel/log.ts'
import { within } from '../../../src/kernel/retry.ts'
import { connectionRules } from '../../../src/limits/built-in-policies.ts'
import type { Rules } from '../../../src/limits/rules.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { limiterNamed } from '../../address.ts'
import { limiterName } from '../../../src/limits/limiter-names.ts'
import type { KeyValue } from '../../../src/kernel/key-value.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** Slots that are not renewed within this time are free again, so that a gateway that died holds none for longer. */
const ttlMs = 90_000
const timeoutMs = 2000
/** The tenants whose connections are counted, kept while the gateway sleeps. */
const key = 'slotted'

type Context = Pick<GatewayContext, 'env' | 'name' | 'tenants' | 'clock'>

interface Waiting {
  readonly session: Session
  readonly settle: (admitted: boolean) => void
}

interface Held {
  readonly inside: Set<Session>
  readonly waiting: Waiting[]
  /** Slots the limiter granted to this gateway. */
  granted: number
  /** A connection has closed, or the slots are to be renewed. */
  stale: boolean
  busy: boolean
}

/**
 * Limits how many connections a tenant has at once at all gateways together: each takes a slot when it connects and returns
 * it when it closes. Calls gather while one is under way. While the limiter is unreachable all connections are admitted.
 */
export class TenantConnectionLimiter {
  readonly #context: Context
  readonly #kv: KeyValue
  readonly #tenants = new Map<string, Held>()

  constructor(context: Context, kv: KeyValue) {
    this.#context = context
    this.#kv = kv
  }

  /** Whether there is a slot for the connection. A tenant without such a limit costs nothing. */
  async take(session: Session): Promise<boolean> {
    const rules = await this.#rulesOf(session.tenant).catch(() => undefined)
    if (rules === undefined) return true
    const held = this.#hold(session.tenant)
    // While a call to the limiter is under way, a slot that it returns belongs to another gateway already.
    if (!held.busy && held.inside.size < held.granted) {
      held.inside.add(session)
      return true
    }
    return await new Promise((settle) => {
      held.waiting.push({ session, settle })
      if (!held.busy) void this.#serve(session.tenant, held)
    })
  }

  /** Counts the sessions of before the gateway slept, as the limiter still does. */
  restore(sessions: readonly Session[]): void {
    const slotted = new Set(this.#slotted())
    for (const session of sessions) if (slotted.has(session.tenant)) this.#hold(session.tenant).inside.add(session)
  }

  /** The connection has closed: returns its slot. */
  release(session: Session): void {
    const held = this.#tenants.get(session.tenant)
    if (held?.inside.delete(session) === true) this.#refresh(session.tenant, held)
  }

  /** Renews the slots of all tenants. */
  renew(): void {
    for (const [tenant, held] of this.#tenants) this.#refresh(tenant, held)
  }

  #hold(tenant: string): Held {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return known
    const held: Held = { inside: new Set(), waiting: [], granted: 0, stale: false, busy: false }
    this.#tenants.set(tenant, held)
    if (!this.#slotted().includes(tenant)) this.#kv.put(key, [...this.#tenants.keys()])
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
    this.#kv.put(key, [...this.#tenants.keys()])
  }

  async #ask(tenant: string, slots: number): Promise<number> {
    try {
      const rules = await this.#rulesOf(tenant)
      if (rules === undefined) return slots
      const { env, name } = this.#context
      const limiter = limiterNamed(env, limiterName(tenant, 'connections-tenant', ''))
      return await within(timeoutMs, 'the limiter', limiter.hold(rules, name, slots, ttlMs))
    } catch (thrown) {
      log.warn('gateway.connection-limiter-unreachable', { reason: reasonOf(thrown) })
      return slots
    }
  }

  async #rulesOf(tenant: string): Promise<Rules | undefined> {
    const admission = await this.#context.tenants.get(tenant, this.#context.clock.now())
    return admission === undefined ? undefined : connectionRules(admission.record)
  }

  #slotted(): readonly string[] {
    const kept = this.#kv.get(key)
    return Array.isArray(kept) ? kept.map(String) : []
  }
}

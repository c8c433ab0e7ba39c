import { OpenPlace } from '../shared/open-place.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log } from '../../src/kernel/log.ts'
import type { Closing, KeyedAsk, LeaseAnswer, LeaseAsk, AccountState } from '../../src/limits/lease.ts'
import type { LeaseAccount, Reserved } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'
import { SteadyClock } from '../../src/limits/steady-clock.ts'
import { KeyedAccounts } from './keyed-accounts.ts'
import { LimiterStore } from './limiter-store.ts'
import { ListedName, listAfterMs } from '../shared/listed-name.ts'
import { emptyActor, TenantActor } from '../shared/tenant-actor.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { fixedLimiters, platformTenant } from '../../src/limits/limiter-names.ts'
import { ownName } from '../address.ts'
import type { RateLimiterRpc } from '../contracts.ts'

const listedKey = 'listed'

/**
 * The limiter of one key of one policy, or of many keys that are used rarely: decides, and lends units to holders that
 * decide by themselves. Units spent and units lent together never exceed the limit.
 */
export class RateLimiter extends TenantActor implements RateLimiterRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'limiter')
  readonly #store = new LimiterStore(this.ctx.storage.kv)
  readonly #keyed = new KeyedAccounts(this.ctx.storage.kv)
  readonly #clock = new SteadyClock(() => systemClock.now(), Math.max(this.#store.latest, this.#keyed.latest))
  #known: LeaseAccount | undefined
  #isListing = this.#needsNoList()

  /** Settles the leases a holder closes, decides the waiting costs, lends what can be lent. */
  lease(ask: LeaseAsk): LeaseAnswer {
    const now = this.#now()
    const account = this.#account(ask.rules, now)
    const answer = account.ask(ask, now)
    const decided = ask.costs.slice(0, answer.allowed).reduce((sum, cost) => sum + cost, 0)
    if (this.#store.granting(account, decided + (answer.lease?.units ?? 0), now)) this.#stored(now)
    return answer
  }

  /** The same for several of the keys that this actor keeps. */
  leaseEach(asks: readonly KeyedAsk[]): LeaseAnswer[] {
    return this.#keyed.leaseEach(asks, this.#now())
  }

  /** Settles leases a holder closes, without another question. */
  settle(closing: readonly Closing[]): void {
    this.#place.used()
    const now = this.#now()
    this.#accountIfAny(now)?.settle(closing, now)
  }

  /**
   * Takes back units that this limiter decided at `at` (its own clock) and that were not used, because a later level
   * refused.
   */
  refund(units: number, at: number): void {
    const now = this.#now()
    this.#accountIfAny(now)?.refund(units, at, now)
  }

  /** The same for one of the keys that this actor keeps. */
  refundOf(key: string, units: number, at: number): void {
    this.#keyed.refund(key, units, at, this.#now())
  }

  /** Keeps `units` for at most `ttlMs`, until the caller reports what became of them. */
  reserve(rules: Rules, units: number, ttlMs: number): Reserved {
    const now = this.#now()
    const account = this.#account(rules, now)
    const reserved = account.reserve(units, ttlMs, now)
    if (reserved.kind === 'reserved') this.#write(account, now)
    return reserved
  }

  /** `holder` holds `units` for `ttlMs`, instead of what it held. Returns how many there was room for. */
  hold(rules: Rules, holder: string, units: number, ttlMs: number): number {
    const now = this.#now()
    const account = this.#account(rules, now)
    const granted = account.hold(holder, units, ttlMs, now)
    this.#write(account, now)
    return granted
  }

  /** Ends a reservation of which `spent` units were used. False when it is over or never existed. */
  release(rules: Rules, lease: number, spent: number): boolean {
    const now = this.#now()
    const account = this.#account(rules, now)
    const released = account.settle([{ lease, spent, idleMs: 0 }], now) > 0
    if (released) this.#store.returned(account)
    return released
  }

  /** The state of the key, without a decision. */
  peek(rules: Rules): AccountState {
    const now = this.#now()
    return this.#account(rules, now).peek(now)
  }

  /** Forgets what was spent. */
  reset(rules: Rules): void {
    const now = this.#now()
    const account = this.#account(rules, now)
    account.reset()
    this.#write(account, now)
  }

  /** Forgets one of the keys that this actor keeps, or with null all that it has. Returns whether there was anything. */
  async eraseUser(key: string | null): Promise<boolean> {
    if (key !== null) return this.#keyed.forget(key)
    const isUsed = this.#store.isStored
    await emptyActor(this.ctx, 'the user was erased')
    return isUsed
  }

  /** Rings once in the life of a limiter, after its first row: has its name listed. */
  override async alarm(): Promise<void> {
    if (!this.#store.isStored) return
    const serial = await new ListedName(this.ctx, this.env, 'RateLimiter').note()
    if (serial > 0) this.ctx.storage.kv.put(listedKey, serial)
  }

  #write(account: LeaseAccount, now: number): void {
    this.#store.write(account, now)
    this.#stored(now)
  }

  #stored(now: number): void {
    if (this.#isListing) return
    this.#isListing = true
    void this.#place.alarm.setAlarm(now + listAfterMs)
  }

  /** Whether the name is listed already, or is one that every tenant has. */
  #needsNoList(): boolean {
    const { tenant, name } = ownName(this.ctx.id.name)
    return tenant === platformTenant || fixedLimiters.includes(name) || this.ctx.storage.kv.get(listedKey) !== undefined
  }

  #accountIfAny(now: number): LeaseAccount | undefined {
    const rules = this.#known?.rules ?? this.#store.rules
    return rules === undefined ? undefined : this.#account(rules, now)
  }

  #account(rules: Rules, now: number): LeaseAccount {
    if (!this.#isListing) requireTenant(ownName(this.ctx.id.name).tenant)
    this.#known ??= this.#store.wake(rules, now)
    this.#known.adopt(rules, now)
    return this.#known
  }

  #now(): number {
    const before = this.#clock.jumps
    const now = this.#clock.now()
    if (this.#clock.jumps > before) log.warn('limits.clock-jumped-back', { key: this.ctx.id.name })
    return now
  }
}

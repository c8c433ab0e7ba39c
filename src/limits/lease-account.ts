import {
  guardMs,
  leaseMs,
  stillMs,
  type Closing,
  type LeaseAnswer,
  type LeaseAsk,
  type OpenLease,
  type AccountState,
} from './lease.ts'
import type { Limited } from './ports.ts'
import { createWindowCounter } from './windows/create.ts'
import type { WindowCounter } from './windows/window-counter.ts'
import { capacityUnder, overshootBound, type Rules } from './rules.ts'

/** An account as it is stored. */
export interface SavedLeaseAccount {
  readonly rules: Rules
  readonly meters: readonly (readonly number[])[]
  readonly leases: readonly (readonly [id: number, units: number, until: number])[]
  readonly nextLease: number
  /** Which lease belongs to which holder, for holders with a name of their own. */
  readonly holders?: readonly (readonly [holder: string, lease: number])[]
}

/** Units kept for a caller until they are settled, or why not. */
export type Reserved =
  | { readonly kind: 'reserved'; readonly lease: number; readonly forMs: number; readonly remaining: number }
  | Limited

/**
 * The account of one key. Units known to be spent lie in the window counters, units lent lie in the open leases, and
 * both together never exceed a window's capacity: whenever a holder spends what it was lent, however late and whatever
 * other holders do meanwhile, the limit holds at that very moment. A lease that is never settled counts as spent.
 */
export class LeaseAccount {
  #rules: Rules
  #counters: WindowCounter[]
  readonly #leases = new Map<number, OpenLease>()
  readonly #holders = new Map<string, number>()
  #leased = 0
  #nextLease: number
  /** No lease ends before this, so that most calls need not look through them. */
  #nextExpiry = Number.POSITIVE_INFINITY

  constructor(rules: Rules, saved?: SavedLeaseAccount, firstLease = 1) {
    this.#rules = saved?.rules ?? rules
    this.#counters = this.#rules.windows.map((window, index) => createWindowCounter(window, saved?.meters[index]))
    this.#nextLease = Math.max(firstLease, saved?.nextLease ?? 0)
    for (const [id, units, until] of saved?.leases ?? []) this.#open(id, { units, until })
    for (const [holder, lease] of saved?.holders ?? []) this.#holders.set(holder, lease)
  }

  get rules(): Rules {
    return this.#rules
  }

  /** Continues under newer rules with what was used under the old ones. */
  adopt(rules: Rules, now: number): void {
    if (rules.version <= this.#rules.version) return
    this.#expire(now)
    const before = this.#rules.windows
    const used = this.#counters.map((meter) => meter.used(now))
    const saved = this.#counters.map((meter) => meter.save())
    this.#counters = rules.windows.map((window, index) => {
      const old = before[index]
      const same = old?.algorithm === window.algorithm && old.windowMs === window.windowMs
      const meter = createWindowCounter(window, same ? saved[index] : undefined)
      if (!same) meter.spend(Math.min(meter.capacity, Math.ceil(used[index] ?? 0)), now)
      return meter
    })
    this.#rules = rules
  }

  /**
   * Settles the leases the holder closes, decides its waiting costs in their order, and lends what it wants if there is
   * plenty.
   */
  ask({ costs, want, closing }: LeaseAsk, now: number): LeaseAnswer {
    this.settle(closing, now)
    let allowed = 0
    for (const cost of costs) {
      if (this.#free(now) < cost) break
      for (const meter of this.#counters) meter.spend(cost, now)
      allowed++
    }
    const refused = costs[allowed]
    const lease = refused === undefined ? this.#lend(want, now) : undefined
    const retryAfterMs = refused === undefined ? 0 : this.#waitMs(refused, now)
    const { remaining, limit, resetMs } = this.peek(now)
    return { allowed, at: now, retryAfterMs, ...(lease === undefined ? {} : { lease }), remaining, limit, resetMs }
  }

  /**
   * Keeps `units` for a caller that reports later what became of them; without a report they count as spent at their
   * end.
   */
  reserve(units: number, ttlMs: number, now: number): Reserved {
    this.#expire(now)
    if (this.#free(now) < units) return { kind: 'limited', retryAfterMs: this.#waitMs(units, now) }
    const until = Math.min(now + ttlMs, ...this.#counters.map((meter) => meter.endOf(now)))
    const lease = this.#nextLease++
    this.#open(lease, { units, until })
    return { kind: 'reserved', lease, forMs: until - now, remaining: this.peek(now).remaining }
  }

  /**
   * `holder` holds `units` from now on, for `ttlMs`, instead of what it held: as many as there is room for, and never
   * fewer than it has and still wants. Returns how many. A repeat keeps them and changes nothing.
   */
  hold(holder: string, units: number, ttlMs: number, now: number): number {
    this.#expire(now)
    const known = this.#holders.get(holder)
    const before = known === undefined ? undefined : this.#leases.get(known)
    if (known !== undefined && before !== undefined) this.#close(known, before, 0, now)
    const granted = Math.max(Math.min(units, before?.units ?? 0), Math.min(units, Math.max(0, this.#free(now))))
    this.#holders.delete(holder)
    if (granted === 0) return 0
    const lease = this.#nextLease++
    this.#open(lease, { units: granted, until: now + ttlMs })
    this.#holders.set(holder, lease)
    return granted
  }

  /**
   * Closes leases: what was spent counts from the moment it was spent, the rest returns. Leases that are closed already
   * are skipped.
   */
  settle(closings: readonly Closing[], now: number): number {
    this.#expire(now)
    let settled = 0
    for (const { lease, spent, idleMs } of closings) {
      const open = this.#leases.get(lease)
      if (open === undefined) continue
      this.#close(
        lease,
        open,
        Math.min(spent, open.units),
        Math.min(now - Math.max(0, idleMs - stillMs), open.until - 1),
      )
      settled++
    }
    return settled
  }

  /** Takes back units that were decided at `at` but not used after all. */
  refund(units: number, at: number, now: number): void {
    for (const meter of this.#counters) meter.unspend(units, at, now)
  }

  peek(now: number): AccountState {
    this.#expire(now)
    const limit = capacityUnder(this.#rules)
    const resetMs = Math.max(0, ...this.#counters.map((meter) => meter.waitMs(0, now)))
    return { remaining: Math.max(0, this.#free(now)), limit, resetMs, leased: this.#leased }
  }

  /** Forgets what was spent. Open leases stay: their holders may still spend them. */
  reset(): void {
    this.#counters = this.#rules.windows.map((window) => createWindowCounter(window))
  }

  save(): SavedLeaseAccount {
    return {
      rules: this.#rules,
      meters: this.#counters.map((meter) => meter.save()),
      leases: [...this.#leases].map(([id, { units, until }]) => [id, units, until] as const),
      nextLease: this.#nextLease,
      holders: [...this.#holders].filter(([, lease]) => this.#leases.has(lease)),
    }
  }

  /** Units lent without a record: kept back until their holder can no longer spend them. */
  presumeLent(units: number, until: number): void {
    if (units > 0) this.#open(this.#nextLease++, { units, until })
  }

  /** Units spent without a record, at `at` at the latest. */
  presumeSpent(units: number, at: number): void {
    for (const meter of this.#counters) meter.spend(units, at)
  }

  /**
   * A quarter of what is left at most, so that many holders get some; near the limit nothing, and the limiter decides
   * each request.
   */
  #lend(want: number, now: number): LeaseAnswer['lease'] {
    const slack = overshootBound(this.#rules)
    const free = Math.min(...this.#counters.map((meter) => Math.floor(meter.capacity - meter.used(now)))) + slack
    const units = Math.min(want, Math.floor((free - this.#leased) / 4))
    const endsIn = Math.min(...this.#counters.map((meter) => meter.endOf(now))) - now
    const forMs = Math.min(leaseMs, endsIn - guardMs)
    if (units < 1 || forMs <= 0) return undefined
    const id = this.#nextLease++
    this.#open(id, { units, until: now + forMs + guardMs })
    return { id, units, forMs }
  }

  /**
   * Whole units a decision could take now. Soft rules assume that up to their bound nothing of what is lent will be
   * spent.
   */
  #free(now: number): number {
    const reserved = Math.max(0, this.#leased - overshootBound(this.#rules))
    return Math.min(...this.#counters.map((meter) => Math.floor(meter.capacity - meter.used(now) - reserved)))
  }

  #waitMs(cost: number, now: number): number {
    const reserved = Math.max(0, this.#leased - overshootBound(this.#rules))
    const waits = this.#counters.map((meter) => meter.waitMs(meter.capacity - reserved - cost, now))
    return Math.max(1, ...waits.map((wait) => (Number.isFinite(wait) ? wait : this.#firstEnd() - now)))
  }

  #open(id: number, lease: OpenLease): void {
    this.#leases.set(id, lease)
    this.#leased += lease.units
    this.#nextExpiry = Math.min(this.#nextExpiry, lease.until)
  }

  #close(id: number, { units }: OpenLease, spent: number, at: number): void {
    this.#leases.delete(id)
    this.#leased -= units
    if (spent > 0) for (const meter of this.#counters) meter.spend(spent, at)
  }

  #expire(now: number): void {
    if (now < this.#nextExpiry) return
    for (const [id, lease] of this.#leases) if (lease.until <= now) this.#close(id, lease, lease.units, lease.until - 1)
    this.#nextExpiry = this.#firstEnd()
  }

  #firstEnd(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { until } of this.#leases.values()) first = Math.min(first, until)
    return first
  }
}

import type { Counters } from './counters.ts'
import type { Closing, LeaseAnswer } from './lease.ts'
import type { Taken } from './ports.ts'

/** The units of one lease. Id 0 stands for none. */
interface Lent {
  readonly id: number
  units: number
  spent: number
  spentAt: number
  readonly expiresAt: number
}

/** A caller that waits for a question; `settle` and `fail` end its wait. */
interface Waiting {
  readonly cost: number
  readonly settle: (taken: Taken) => void
  readonly fail: (thrown: unknown) => void
}

const none: Lent = { id: 0, units: 0, spent: 0, spentAt: 0, expiresAt: 0 }

/** A lease that lasted less than this was too small; one that outlived `calmMs` was not needed. */
const hurriedMs = 1000
const calmMs = 5000
const maxWanted = 65_536

/** What a holder has of one key: the lease in hand, what its limiter said last, and who waits for the limiter. */
export class HeldLease {
  readonly counters: Counters
  lease: Lent = { ...none }
  /** Costs not below `emptyCost` are refused until then: the limiter said so, and it is not asked again meanwhile. */
  emptyUntil = 0
  emptyCost = 0
  /** When the last answer arrived. */
  answeredAt = 0
  readonly waiting: Waiting[] = []
  /** Whether waiting callers are being answered. */
  busy = false
  /** Questions under way. Only the first asks for a lease: if each did, a few at once would be lent all there is. */
  asking = 0
  /** How many units the last question wanted. */
  want = 0
  /** Leases that arrived while one was in hand: they are returned with the next question. */
  readonly #surplus: number[] = []
  #seen = { remaining: 0, limit: 0, resetAt: 0 }

  constructor(counters: Counters) {
    this.counters = counters
  }

  /** Undoes a decision that lease `id` allowed, if that lease is still in hand; else the units stay spent. */
  putBack(cost: number, id: number): void {
    if (this.lease.id !== id || this.lease.spent < cost) return
    this.lease.units += cost
    this.lease.spent -= cost
    this.counters.decisions--
  }

  /** Notes an answer to a question that was sent at `sentAt`; true when it brought the lease that is now in hand. */
  learn(answer: LeaseAnswer, costs: readonly number[], sentAt: number, now: number): boolean {
    const { allowed, lease, retryAfterMs, remaining, limit, resetMs } = answer
    this.#seen = { remaining, limit, resetAt: now + resetMs }
    this.emptyUntil = allowed < costs.length ? now + retryAfterMs : 0
    this.emptyCost = costs[allowed] ?? 0
    this.answeredAt = now
    if (lease === undefined) return false
    if (this.lease.id !== 0) {
      this.#surplus.push(lease.id)
      return false
    }
    this.lease = { id: lease.id, units: lease.units, spent: 0, spentAt: now, expiresAt: sentAt + lease.forMs }
    this.counters.lent += lease.units
    return true
  }

  /** Ends the lease in hand and reports what became of it. `endOf` bounds when something at a reading of the clock happened. */
  close(now: number, endOf: (at: number) => number): Closing[] {
    const { id, spent, spentAt, expiresAt } = this.lease
    this.lease = { ...none }
    const unused = this.#surplus.splice(0).map((lease) => ({ lease, spent: 0, idleMs: 0 }))
    if (id === 0 || expiresAt <= now) return unused
    return [...unused, { lease: id, spent, idleMs: spent === 0 ? 0 : now - endOf(spentAt) }]
  }

  /** Drops the lease and the refusal, which a clock set back says nothing about. */
  reset(): void {
    this.lease = { ...none }
    this.emptyUntil = 0
  }

  /** How many units to ask for: four times as many as before while leases are used up fast, none for a quiet key. */
  wanted(together: number, now: number): number {
    const { want, answeredAt } = this
    if (now - answeredAt >= calmMs) return 0
    return now - answeredAt < hurriedMs ? Math.min(maxWanted, Math.max(together, 4 * want, 1)) : want
  }

  /** Units in hand and, as of the last answer, still to be had; undefined when nothing is known. */
  state(now: number): { readonly remaining: number; readonly limit: number; readonly resetMs: number } | undefined {
    const { remaining, limit, resetAt } = this.#seen
    if (limit === 0) return undefined
    const units = this.lease.expiresAt > now ? this.lease.units : 0
    return { remaining: units + remaining, limit, resetMs: Math.max(0, resetAt - now) }
  }
}

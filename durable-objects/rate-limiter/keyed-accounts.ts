import { CommonAllowance, type CommonRow } from '../../src/limits/common-allowance.ts'
import type { KeyedAsk, LeaseAnswer } from '../../src/limits/lease.ts'
import type { LeaseAccount } from '../../src/limits/lease-account.ts'
import { allowanceMs } from '../../src/limits/allowance.ts'
import type { Rules } from '../../src/limits/rules.ts'
import type { KeyValues } from '../../src/kernel/key-value.ts'
import { LimiterStore } from './limiter-store.ts'

const commonKey = 'common'
const prefix = 'of/'
/** Rows of keys that were not used again, looked at once in the life of an actor. */
const rowsTidied = 256

interface Kept {
  readonly store: LimiterStore
  readonly account: LeaseAccount
}

/**
 * The accounts of many keys in one actor: for limits of which each key is used rarely, such as the messages of one user. An
 * actor for each would cost every first message the opening of another actor. One row covers what all keys are granted
 * in ten seconds, as far as it is little; see CommonAllowance.
 */
export class KeyedAccounts {
  readonly #kv: KeyValues
  readonly #kept = new Map<string, Kept>()
  readonly #common: CommonAllowance
  /** A time that has passed already: the common row was written then. */
  readonly latest: number
  #isTidy = false

  constructor(kv: KeyValues) {
    this.#kv = kv
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only #renew writes this key of this actor
    const earlier = kv.get(commonKey) as CommonRow | undefined
    this.#common = new CommonAllowance(earlier)
    this.latest = earlier === undefined ? Number.NEGATIVE_INFINITY : earlier.until - allowanceMs
  }

  /** Answers the questions of a call in their order. */
  leaseEach(asks: readonly KeyedAsk[], now: number): LeaseAnswer[] {
    return asks.map(({ key, ...ask }) => {
      // What an earlier life lent counts as spent: there is nothing to close.
      if (ask.costs.length === 0 && !this.#kept.has(key)) return nothing
      const { account, store } = this.#find(key, ask.rules, now)
      const answer = account.ask(ask, now)
      const decided = ask.costs.slice(0, answer.allowed).reduce((sum, cost) => sum + cost, 0)
      this.#granting(key, { account, store }, decided + (answer.lease?.units ?? 0), now)
      return answer
    })
  }

  /** Takes back units of a key that were decided here at `at` and not used. */
  refund(key: string, units: number, at: number, now: number): void {
    this.#kept.get(key)?.account.refund(units, at, now)
  }

  #find(key: string, rules: Rules, now: number): Kept {
    const known = this.#kept.get(key)
    known?.account.adopt(rules, now)
    if (known !== undefined) return known
    const store = new LimiterStore(this.#kv, prefix + key)
    const account = store.wake(rules, now)
    account.adopt(rules, now)
    const presumed = this.#common.presumed(account.rules, now)
    if (presumed !== undefined) account.presumeLent(presumed.units, presumed.until)
    const kept = { store, account }
    this.#kept.set(key, kept)
    return kept
  }

  #granting(key: string, { account, store }: Kept, units: number, now: number): void {
    if (units === 0) return
    const { covers, renewed } = this.#common.cover(key, units, account.rules, now)
    if (renewed !== undefined) this.#renew(renewed, now)
    if (!covers && store.granting(account, units, now)) this.#common.written(key)
  }

  /** Every ten seconds of use: writes the common row, and forgets the keys that have all their units back. */
  #renew(row: CommonRow, now: number): void {
    if (!this.#isTidy) this.#tidy(now)
    this.#kv.put(commonKey, row)
    this.#common.sweep()
    for (const [key, { account, store }] of this.#kept) {
      if (!isFull(account, now)) continue
      this.#kept.delete(key)
      if (store.isStored) this.#kv.delete(prefix + key)
    }
  }

  /** Removes rows of an earlier life whose keys have all their units back. */
  #tidy(now: number): void {
    this.#isTidy = true
    const rows = [...this.#kv.list({ prefix, limit: rowsTidied })]
    for (const [name] of rows) {
      const key = name.slice(prefix.length)
      const store = new LimiterStore(this.#kv, name)
      const { rules } = store
      if (!this.#kept.has(key) && rules !== undefined && isFull(store.wake(rules, now), now)) this.#kv.delete(name)
    }
  }
}

const nothing: LeaseAnswer = { allowed: 0, at: 0, retryAfterMs: 0, remaining: 0, limit: 0, resetMs: 0 }

function isFull(account: LeaseAccount, now: number): boolean {
  const { resetMs, leased } = account.peek(now)
  return leased === 0 && resetMs === 0
}

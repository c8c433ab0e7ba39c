import { CommonAllowance, writtenAt, type CommonRow } from '../../src/limits/common-allowance.ts'
import type { KeyedAsk, LeaseAnswer } from '../../src/limits/lease.ts'
import type { LeaseAccount } from '../../src/limits/lease-account.ts'
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

/** Units that an answer allows at once, and units that it lends. */
interface Granting {
  readonly decided: number
  readonly lent: number
}

/**
 * The accounts of many keys in one actor: for limits of which each key is used rarely, such as the messages of one user. An
 * actor for each would cost every first message the opening of another actor. One row a minute covers what all keys are
 * granted, as far as it is little; see CommonAllowance.
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
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only #granting writes this key of this actor
    const earlier = kv.get(commonKey) as CommonRow | undefined
    this.#common = new CommonAllowance(earlier)
    this.latest = earlier === undefined ? Number.NEGATIVE_INFINITY : writtenAt(earlier)
  }

  /** Answers the questions of a call in their order. */
  leaseEach(asks: readonly KeyedAsk[], now: number): LeaseAnswer[] {
    return asks.map(({ key, ...ask }) => {
      // What an earlier life lent counts as spent: there is nothing to close.
      if (ask.costs.length === 0 && !this.#kept.has(key)) return nothing
      const { account, store } = this.#find(key, ask.rules, now)
      const answer = account.ask(ask, now)
      const decided = ask.costs.slice(0, answer.allowed).reduce((sum, cost) => sum + cost, 0)
      this.#granting(key, { account, store }, { decided, lent: answer.lease?.units ?? 0 }, now)
      return answer
    })
  }

  /** Takes back units of a key that were decided here at `at` and not used. */
  refund(key: string, units: number, at: number, now: number): void {
    this.#kept.get(key)?.account.refund(units, at, now)
  }

  /** Forgets a key. Returns whether anything was kept of it. */
  forget(key: string): boolean {
    const isKept = this.#kept.delete(key)
    const isStored = this.#kv.get(prefix + key) !== undefined
    this.#kv.delete(prefix + key)
    return isStored || isKept
  }

  #find(key: string, rules: Rules, now: number): Kept {
    const known = this.#kept.get(key)
    known?.account.adopt(rules, now)
    if (known !== undefined) return known
    const store = new LimiterStore(this.#kv, prefix + key)
    const account = store.wake(rules, now)
    account.adopt(rules, now)
    const presumed = this.#common.presumed(account.rules, now)
    if (presumed !== undefined && 'lentUntil' in presumed) account.presumeLent(presumed.units, presumed.lentUntil)
    if (presumed !== undefined && 'spentAt' in presumed) account.presumeSpent(presumed.units, presumed.spentAt)
    const kept = { store, account }
    this.#kept.set(key, kept)
    return kept
  }

  #granting(key: string, { account, store }: Kept, { decided, lent }: Granting, now: number): void {
    const units = decided + lent
    if (units === 0) return
    const cover = this.#common.cover(key, units, lent > 0, account.rules, now)
    if (!cover.covers) {
      if (store.granting(account, units, now)) this.#common.written(key)
      return
    }
    if (cover.row !== undefined) this.#kv.put(commonKey, cover.row)
    if (cover.isNewPeriod) this.#forgetFull(now)
  }

  /** Every ten seconds of use: forgets the keys that have all their units back. */
  #forgetFull(now: number): void {
    if (!this.#isTidy) this.#tidy(now)
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

import { allowanceMs, cover, isPrecious, noAllowance, type Allowance } from '../../src/limits/allowance.ts'
import { guardMs, leaseMs } from '../../src/limits/lease.ts'
import { LeaseAccount, type SavedLeaseAccount } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'
import type { KeyValue } from '../../src/kernel/key-value.ts'

interface Stored {
  readonly ledger: SavedLeaseAccount
  /** Units that may have been granted since `account` was written. */
  readonly allowance: number
  readonly writtenAt: number
}

const soleKey = 'ledger'
/**
 * After this long without a call an account of a long window is written as it is; well before the platform may evict
 * it.
 */
const quietMs = 1000

/**
 * A limiter's account in storage: one row, written before an answer that the last row does not cover, not once per
 * decision.
 */
export class LimiterStore {
  readonly #kv: KeyValue
  readonly #key: string
  /** Whether there is a row. */
  isStored: boolean
  readonly #stored: Stored | undefined
  #allowance: Allowance = noAllowance
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `key` names the row, where an actor keeps several accounts. */
  constructor(kv: KeyValue, key = soleKey) {
    this.#kv = kv
    this.#key = key
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only #put writes this key of this actor
    this.#stored = kv.get(key) as Stored | undefined
    this.isStored = this.#stored !== undefined
  }

  /** The time of the last write: the clock was at least this late. */
  get latest(): number {
    return this.#stored?.writtenAt ?? Number.NEGATIVE_INFINITY
  }

  /** The rules the account was last kept under; undefined when there is no account. */
  get rules(): Rules | undefined {
    return this.#stored?.ledger.rules
  }

  /** The account in the worst case: everything that was allowed since the last write is presumed lent. */
  wake(rules: Rules, now: number): LeaseAccount {
    // Ids must not repeat those of an earlier life whose last ids were not written.
    const account = new LeaseAccount(rules, this.#stored?.ledger, Math.floor(now) * 1024)
    if (this.#stored === undefined) return account
    const { allowance, writtenAt } = this.#stored
    account.presumeLent(allowance, Math.min(now, writtenAt + allowanceMs) + leaseMs + guardMs)
    return account
  }

  /** `units` are about to be granted: written before, unless an allowance covers them. Returns whether it was written. */
  granting(account: LeaseAccount, units: number, now: number): boolean {
    if (units === 0) return false
    const { write, allowance } = cover(this.#allowance, units, account.rules, now)
    this.#allowance = allowance
    if (write) this.#put(account, now)
    if (allowance.units > 0) this.#settleLater(account)
    return write
  }

  /** Writes the account as it is now. */
  write(account: LeaseAccount, now: number): void {
    this.#allowance = { units: 0, used: 0, writtenAt: now }
    this.#put(account, now)
  }

  /** Units came back: worth a write, but only when no call follows for a while. */
  returned(account: LeaseAccount): void {
    this.#settleLater(account)
  }

  #settleLater(account: LeaseAccount): void {
    if (this.#timer !== undefined || !isPrecious(account.rules)) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.write(account, this.#allowance.writtenAt)
    }, quietMs)
  }

  #put(account: LeaseAccount, now: number): void {
    const stored: Stored = { ledger: account.save(), allowance: this.#allowance.units, writtenAt: now }
    this.#kv.put(this.#key, stored)
    this.isStored = true
  }
}

import { allowanceMs, cover, isPrecious, noAllowance, type Allowance } from '../../src/limits/allowance.ts'
import { guardMs, leaseMs } from '../../src/limits/lease.ts'
import { LeaseAccount, type SavedLeaseAccount } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'

/** What this needs of an actor's storage: `ctx.storage.kv`. */
export interface KeyValue {
  get(key: string): unknown
  put(key: string, value: unknown): void
}

interface Stored {
  readonly ledger: SavedLeaseAccount
  /** Units that may have been granted since. */
  readonly allowance: number
  readonly writtenAt: number
}

const key = 'ledger'
/** Quiet for so long, a precious account is written as it is; well before the platform may evict it. */
const quietMs = 1000

/** A limiter's account in storage: one row, written before what it does not cover leaves, not once a decision. */
export class LimiterStore {
  readonly #kv: KeyValue
  readonly #stored: Stored | undefined
  #allowance: Allowance = noAllowance
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(kv: KeyValue) {
    this.#kv = kv
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody but #put writes this key of this actor
    this.#stored = kv.get(key) as Stored | undefined
  }

  /** Time was at least this late when the account was last written. */
  get latest(): number {
    return this.#stored?.writtenAt ?? Number.NEGATIVE_INFINITY
  }

  /** The rules the account was last kept by; undefined when there is none. */
  get rules(): Rules | undefined {
    return this.#stored?.ledger.rules
  }

  /** The account as it may at worst be: what was allowed since it was written is presumed lent. */
  wake(rules: Rules, now: number): LeaseAccount {
    // Ids must not repeat those of an earlier life that was not written down to the last.
    const ledger = new LeaseAccount(rules, this.#stored?.ledger, Math.floor(now) * 1024)
    if (this.#stored === undefined) return ledger
    const { allowance, writtenAt } = this.#stored
    ledger.presumeLent(allowance, Math.min(now, writtenAt + allowanceMs) + leaseMs + guardMs)
    return ledger
  }

  /** `units` are about to be granted: written down first unless an allowance covers them. */
  granting(ledger: LeaseAccount, units: number, now: number): void {
    if (units === 0) return
    const { write, allowance } = cover(this.#allowance, units, ledger.rules, now)
    this.#allowance = allowance
    if (write) this.#put(ledger, now)
    if (allowance.units > 0) this.#settleLater(ledger)
  }

  /** The account as it is, now. */
  write(ledger: LeaseAccount, now: number): void {
    this.#allowance = { units: 0, used: 0, writtenAt: now }
    this.#put(ledger, now)
  }

  /** Something came back: worth writing, but only once it is quiet. */
  returned(ledger: LeaseAccount): void {
    this.#settleLater(ledger)
  }

  #settleLater(ledger: LeaseAccount): void {
    if (this.#timer !== undefined || !isPrecious(ledger.rules)) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.write(ledger, this.#allowance.writtenAt)
    }, quietMs)
  }

  #put(ledger: LeaseAccount, now: number): void {
    const stored: Stored = { ledger: ledger.save(), allowance: this.#allowance.units, writtenAt: now }
    this.#kv.put(key, stored)
  }
}

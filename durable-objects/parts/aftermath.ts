import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs } from '../../src/kernel/retry.ts'

/** Work an actor owes after it has answered: whether there is some, and doing it. */
export interface Debt {
  readonly name: string
  owed(): boolean
  /** Throws when it cannot be done now. */
  pay(): Promise<void>
}

const retryCapMs = 60_000
/** While debts keep coming they are paid this many times less often than the first one of a burst. */
const steadily = 4

/**
 * Pays an actor's debts by its alarm: a little later, so that a burst is one payment, and again with growing pauses
 * until all are paid. The alarm is armed in the same commit as whatever made the debt, so a crash forgets neither.
 */
export class Aftermath {
  readonly #storage: DurableObjectStorage
  readonly #debts: readonly Debt[]
  #armed = false
  #paidAt = 0
  #failures = 0

  constructor(storage: DurableObjectStorage, debts: readonly Debt[]) {
    this.#storage = storage
    this.#debts = debts
  }

  /** Something is owed now: pay it `delayMs` from now, later if debts keep coming. Call it where the debt is written. */
  owe(now: number, delayMs: number): void {
    if (this.#armed) return
    this.#armed = true
    void this.#storage.setAlarm(Math.max(now + delayMs, this.#paidAt + steadily * delayMs))
  }

  /** The alarm rang. Never throws: the platform gives up on an alarm that does, after six tries. */
  async run(now: number, delayMs: number): Promise<void> {
    this.#armed = false
    this.#paidAt = now
    const paid = await Promise.all(this.#debts.map((debt) => this.#pay(debt)))
    this.#failures = paid.includes(false) ? this.#failures + 1 : 0
    if (!this.#debts.some((debt) => debt.owed())) return
    this.owe(now, this.#failures === 0 ? delayMs : backoffMs(this.#failures, 1000, retryCapMs, Math.random()))
  }

  async #pay(debt: Debt): Promise<boolean> {
    if (!debt.owed()) return true
    try {
      await debt.pay()
      return true
    } catch (thrown) {
      log.warn('aftermath.later', { debt: debt.name, failures: this.#failures + 1, why: reasonOf(thrown) })
      return false
    }
  }
}

import { setTimeout as pause } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { cancel } from './cancel.ts'

/** Milliseconds between cancel requests: one that overtakes its statement on the way finds nothing to cancel. */
const again = 100

/**
 * A connection on loan from its pool. While the loan lasts, aborting cancels whatever runs on it. A connection that was
 * cancelled, or comes back inside a transaction, is closed instead of lent again: a late cancel must not hit the next
 * borrower.
 */
export class Loan {
  readonly client: PoolClient
  readonly #aborted: AbortSignal
  #returned = false
  #cancelling: Promise<void> | undefined

  private constructor(client: PoolClient, aborted: AbortSignal) {
    this.client = client
    this.#aborted = aborted
    aborted.addEventListener('abort', this.#onAbort)
    // A connection lost while lent says so here too, besides failing its query; unheard it would end the process.
    client.on('error', ignore)
  }

  /** Waits for a free connection. Throws when it cannot be had, or when the caller has left meanwhile. */
  static async take(pool: Pool, aborted: AbortSignal): Promise<Loan> {
    const loan = new Loan(await pool.connect(), aborted)
    if (aborted.aborted) await loan.giveBack()
    aborted.throwIfAborted()
    return loan
  }

  /** Ends the loan; never throws. */
  async giveBack(): Promise<void> {
    this.#returned = true
    this.#aborted.removeEventListener('abort', this.#onAbort)
    await this.#cancelling
    this.client.off('error', ignore)
    this.client.release(this.#cancelling !== undefined || this.client.getTransactionStatus() !== 'I')
  }

  readonly #onAbort = (): void => {
    this.#cancelling = this.#keepCancelling()
  }

  async #keepCancelling(): Promise<void> {
    while (!this.#returned) {
      await cancel(this.client)
      await pause(again)
    }
  }
}

function ignore(): void {}

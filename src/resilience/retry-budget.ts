/** The retries that each call adds to its dependency's budget. */
const perCall = 0.1
const most = 10

/**
 * Bounds the retries of one dependency to a tenth of its calls, so that a service in trouble gets at most 10 % more load. At the
 * start there is one, and never more than ten.
 */
export class RetryBudget {
  #retries = 1

  called(): void {
    this.#retries = Math.min(most, this.#retries + perCall)
  }

  /** Takes a retry; false when there is none. */
  take(): boolean {
    if (this.#retries < 1) return false
    this.#retries--
    return true
  }
}

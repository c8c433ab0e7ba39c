import type { Sql } from '../shared/sql.ts'

/** How far ahead the written note runs, in milliseconds: a busy key then writes once in this time, not at every start. */
const slackMs = 1000
const maxKnown = 10_000

/**
 * When the rate of each key is full again. It survives a loss of memory by a note that is never early: whoever reads
 * the note instead of the figure can only be too strict, by `slackMs`.
 */
export class KeyRates {
  readonly #sql: Sql
  readonly #known = new Map<string, { fullAt: number; noted: number }>()

  constructor(sql: Sql) {
    this.#sql = sql
  }

  get(key: string): number {
    return this.#find(key).fullAt
  }

  set(key: string, fullAt: number): void {
    const known = this.#find(key)
    known.fullAt = fullAt
    if (fullAt <= known.noted) return
    known.noted = fullAt + slackMs
    this.#sql.exec('INSERT OR REPLACE INTO key_rates (key, full_at) VALUES (?, ?)', key, known.noted)
  }

  forget(now: number): void {
    this.#sql.exec('DELETE FROM key_rates WHERE full_at <= ?', now)
    this.#known.clear()
  }

  #find(key: string): { fullAt: number; noted: number } {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const row = this.#sql.exec<{ full_at: number }>('SELECT full_at FROM key_rates WHERE key = ?', key).toArray()[0]
    const found = { fullAt: row?.full_at ?? 0, noted: row?.full_at ?? 0 }
    if (this.#known.size >= maxKnown) this.#known.clear()
    this.#known.set(key, found)
    return found
  }
}

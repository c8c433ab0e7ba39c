import type { Job } from '../../src/jobs/model/job.ts'
import { phases, type PhaseCounts } from '../../src/jobs/model/phase.ts'
import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import type { KeyStore } from '../../src/jobs/queue/stores.ts'
import { selectJobs } from './sql-job-store.ts'
import type { Sql } from '../shared/sql.ts'

/** How far ahead a rate is written, in milliseconds: a busy key then writes once in this time, not at every start. */
const slackMs = 1000
const maxRates = 10_000
/** Keys whose taken places are kept in memory; beyond it they are counted anew. */
const maxPlaces = 20_000

/**
 * The keys of one queue. What is written of a rate is never earlier than what is known of it, so that after a loss of memory
 * a key is at most `slackMs` too slow.
 */
export class SqlKeyStore implements KeyStore {
  readonly #sql: Sql
  readonly #rates = new BoundedMap<string, { fullAt: number; written: number }>(maxRates)
  /** Counting places costs more than all the rest of a change, so they are kept for the keys in use. */
  readonly #places = new BoundedMap<string, number>(maxPlaces)
  /** Jobs by phase, which the job store keeps. */
  readonly #counts: PhaseCounts

  constructor(sql: Sql, counts: PhaseCounts) {
    this.#sql = sql
    this.#counts = counts
  }

  placesTaken(key: string): number {
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const sql = 'SELECT count(*) AS taken FROM jobs WHERE key = ? AND phase <= 2'
    const { taken } = this.#sql.exec<{ taken: number }>(sql, key).one()
    this.#places.set(key, taken)
    return taken
  }

  nextInLine(key: string): Job | undefined {
    if (this.#counts[phases.held] === 0) return undefined
    return selectJobs(this.#sql, 'WHERE key = ? AND phase = 3 ORDER BY seq LIMIT 1', key)[0]
  }

  lastReserved(key: string): number {
    const sql = 'SELECT coalesce(max(rank), 0) AS at FROM jobs WHERE key = ? AND phase <= 2 AND permitted = 1'
    return this.#sql.exec<{ at: number }>(sql, key).one().at
  }

  releaseReserved(now: number): void {
    const sql = `UPDATE jobs SET permitted = 0, rank = ?1
      WHERE phase = 2 AND rank > ?1 AND permitted = 1 AND json_extract(options, '$.rate') IS NULL`
    if (this.#counts[phases.pausing] !== 0) this.#sql.exec(sql, now)
  }

  rate(key: string): number {
    return this.#findRate(key).fullAt
  }

  setRate(key: string, fullAt: number): void {
    const rate = this.#findRate(key)
    rate.fullAt = fullAt
    if (fullAt <= rate.written) return
    rate.written = fullAt + slackMs
    this.#sql.exec('INSERT OR REPLACE INTO key_rates (key, full_at) VALUES (?, ?)', key, rate.written)
  }

  forget(now: number): void {
    this.#sql.exec('DELETE FROM key_rates WHERE full_at <= ?', now)
    this.#rates.clear()
  }

  move(key: string, places: number): void {
    const known = this.#places.get(key)
    if (known !== undefined) this.#places.set(key, known + places)
  }

  #findRate(key: string): { fullAt: number; written: number } {
    const known = this.#rates.get(key)
    if (known !== undefined) return known
    const row = this.#sql.exec<{ full_at: number }>('SELECT full_at FROM key_rates WHERE key = ?', key).toArray()[0]
    const found = { fullAt: row?.full_at ?? 0, written: row?.full_at ?? 0 }
    this.#rates.set(key, found)
    return found
  }
}

import { correlationOf, type EventWait, type LogEvent } from '../../src/events/log-event.ts'
import type { Sql } from '../shared/sql.ts'

/** Waits of one topic, at most. */
export const maxWaits = 100_000

/** A wait whose event has been appended, and whose waiter has not been notified. */
export interface FoundWait {
  readonly id: string
  readonly waiter: EventWait['waiter']
  readonly offset: number
}

/** What waits for an event of this topic: a row for each wait. */
export class WaitTable {
  readonly #sql: Sql
  /** How many there are, in memory: most topics never have one, and then an event costs nothing here. */
  #count: number

  constructor(sql: Sql, exists: boolean) {
    this.#sql = sql
    this.#count = exists ? sql.exec<{ n: number }>('SELECT count(*) AS n FROM waits').one().n : 0
  }

  get size(): number {
    return this.#count
  }

  add({ id, waiter, type, correlation, until }: EventWait): void {
    const isNew = this.#sql.exec('SELECT 1 FROM waits WHERE id = ?', id).toArray().length === 0
    this.#sql.exec(
      'INSERT OR IGNORE INTO waits (id, kind, waiter, type, correlation, until) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      waiter.kind,
      waiter.name,
      type,
      correlation,
      until,
    )
    if (isNew) this.#count++
  }

  remove(id: string): void {
    if (this.#count === 0) return
    this.#sql.exec('DELETE FROM waits WHERE id = ?', id)
    this.#recount()
  }

  /** Notes for each wait that this event is its event. Returns whether there was one. */
  noteEvent(event: LogEvent): boolean {
    const correlation = this.#count === 0 ? undefined : correlationOf(event)
    if (correlation === undefined) return false
    const found = this.#sql
      .exec<{ id: string }>(
        'SELECT id FROM waits WHERE type = ? AND correlation = ? AND found IS NULL AND until > ?',
        event.type,
        correlation,
        event.at,
      )
      .toArray()
    for (const { id } of found) this.#sql.exec('UPDATE waits SET found = ? WHERE id = ?', event.offset, id)
    return found.length > 0
  }

  /** Waiters to tell, at most `limit`. */
  found(limit: number): FoundWait[] {
    if (this.#count === 0) return []
    return this.#sql
      .exec<{ id: string; waiter: string; found: number }>(
        'SELECT id, waiter, found FROM waits WHERE found IS NOT NULL LIMIT ?',
        limit,
      )
      .toArray()
      .map(({ id, waiter, found }) => ({ id, waiter: { kind: 'saga', name: waiter }, offset: found }))
  }

  /** Drops waits whose time is over and that have found nothing. */
  expire(now: number): void {
    if (this.#count === 0) return
    this.#sql.exec('DELETE FROM waits WHERE until <= ? AND found IS NULL', now)
    this.#recount()
  }

  #recount(): void {
    this.#count = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM waits').one().n
  }
}

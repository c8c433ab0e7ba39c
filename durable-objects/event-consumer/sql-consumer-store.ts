import { z } from 'zod'
import type { ConsumerStore, Lease, Retry } from '../../src/event-log/consumers/consumer.ts'
import { startAfter, type Position } from '../../src/event-log/consumers/position.ts'
import { internalEvents } from '../../src/events/internal-events.ts'
import type { LogEvent } from '../../src/events/log-event.ts'
import type { Sql } from '../shared/sql.ts'

const storedPosition: z.ZodType<Position> = z.object({
  generation: z.number(),
  settled: z.number(),
  ranges: z.array(z.tuple([z.number(), z.number()])),
  skipped: z.number(),
})
const storedOffsets = z.array(z.number())

/** A dead letter as it is listed. */
export interface DeadLetter {
  readonly event: LogEvent
  readonly attempts: number
  readonly reason: string
  readonly at: number
}

// What an actor wrote itself is read as it was written.
const readEvent = (text: string): LogEvent => JSON.parse(internalEvents.readText('topic.event', text))

/** What a consumer keeps, in the actor's SQLite. */
export class SqlConsumerStore implements ConsumerStore {
  readonly #sql: Sql
  #dead: number
  #position: Position

  constructor(sql: Sql) {
    this.#sql = sql
    this.#dead = sql.exec<{ n: number }>('SELECT count(*) AS n FROM dead').one().n
    const text = sql.exec<{ value: string }>("SELECT value FROM facts WHERE name = 'position'").toArray()[0]?.value
    this.#position = text === undefined ? startAfter(0) : storedPosition.parse(JSON.parse(text))
  }

  get position(): Position {
    return this.#position
  }

  set position(position: Position) {
    this.#sql.exec("INSERT OR REPLACE INTO facts (name, value) VALUES ('position', ?)", JSON.stringify(position))
    this.#position = position
  }

  readonly retries = {
    all: (): readonly Retry[] =>
      this.#sql
        .exec<{ offset: number; key: string | null; attempts: number; not_before: number }>(
          'SELECT offset, key, attempts, not_before FROM retries ORDER BY offset',
        )
        .toArray()
        .map(({ offset, key, attempts, not_before }) => ({ offset, key, attempts, notBefore: not_before })),
    event: (offset: number): LogEvent | undefined =>
      this.#sql
        .exec<{ event: string }>('SELECT event FROM retries WHERE offset = ?', offset)
        .toArray()
        .map(({ event }) => readEvent(event))[0],
    put: ({ offset, key, attempts, notBefore }: Retry, event: LogEvent, reason: string): void => {
      this.#sql.exec(
        'INSERT OR REPLACE INTO retries (offset, key, event, attempts, not_before, reason) VALUES (?, ?, ?, ?, ?, ?)',
        offset,
        key,
        internalEvents.writeText('topic.event', JSON.stringify(event)),
        attempts,
        notBefore,
        reason,
      )
    },
    change: ({ offset, attempts, notBefore }: Retry, reason?: string): void => {
      this.#sql.exec(
        'UPDATE retries SET attempts = ?, not_before = ?, reason = coalesce(?, reason) WHERE offset = ?',
        attempts,
        notBefore,
        reason ?? null,
        offset,
      )
    },
    remove: (offset: number): void => {
      this.#sql.exec('DELETE FROM retries WHERE offset = ?', offset)
    },
    clear: (): void => {
      this.#sql.exec('DELETE FROM retries')
    },
  }

  readonly dead = this.#deadLetters()

  readonly leases = {
    all: (): readonly Lease[] =>
      this.#sql
        .exec<{ id: string; until: number; offsets: string }>('SELECT id, until, offsets FROM leases')
        .toArray()
        .map(({ id, until, offsets }) => ({ id, until, offsets: storedOffsets.parse(JSON.parse(offsets)) })),
    put: ({ id, until, offsets }: Lease): void => {
      this.#sql.exec(
        'INSERT OR REPLACE INTO leases (id, until, offsets) VALUES (?, ?, ?)',
        id,
        until,
        JSON.stringify(offsets),
      )
    },
    remove: (id: string): void => {
      this.#sql.exec('DELETE FROM leases WHERE id = ?', id)
    },
    clear: (): void => {
      this.#sql.exec('DELETE FROM leases')
    },
  }

  /** Events that are tried again, or are dead letters, and whose text has another in it. */
  keptWith(text: string): LogEvent[] {
    const kept = ['retries', 'dead'].map((table) => `SELECT event FROM ${table} WHERE instr(event, ?) > 0`)
    return this.#sql
      .exec<{ event: string }>(kept.join(' UNION '), text, text)
      .toArray()
      .map(({ event }) => readEvent(event))
  }

  /** Replaces what is kept of an event. */
  replace(event: LogEvent): void {
    const text = internalEvents.writeText('topic.event', JSON.stringify(event))
    for (const table of ['retries', 'dead'])
      this.#sql.exec(`UPDATE ${table} SET event = ? WHERE offset = ?`, text, event.offset)
  }

  /** Dead letters behind an offset, in order. */
  deadAfter(after: number, limit: number): DeadLetter[] {
    return this.#sql
      .exec<{ event: string; attempts: number; reason: string; at: number }>(
        'SELECT event, attempts, reason, at FROM dead WHERE offset > ? ORDER BY offset LIMIT ?',
        after,
        limit,
      )
      .toArray()
      .map(({ event, ...rest }) => ({ ...rest, event: readEvent(event) }))
  }

  #deadLetters(): ConsumerStore['dead'] {
    const count = () => this.#dead
    return {
      get size() {
        return count()
      },
      add: (event, attempts, reason, now) => {
        this.#sql.exec(
          'INSERT OR REPLACE INTO dead (offset, event, attempts, reason, at) VALUES (?, ?, ?, ?, ?)',
          event.offset,
          internalEvents.writeText('topic.event', JSON.stringify(event)),
          attempts,
          reason,
          now,
        )
        this.#recount()
      },
      reasonOf: (offset) =>
        count() === 0
          ? undefined
          : this.#sql.exec<{ reason: string }>('SELECT reason FROM dead WHERE offset = ?', offset).toArray()[0]?.reason,
      remove: (offset) => {
        if (count() === 0) return
        this.#sql.exec('DELETE FROM dead WHERE offset = ?', offset)
        this.#recount()
      },
      take: (limit) => {
        const events = this.deadAfter(0, limit).map(({ event }) => event)
        for (const { offset } of events) this.#sql.exec('DELETE FROM dead WHERE offset = ?', offset)
        this.#recount()
        return events
      },
    }
  }

  #recount(): void {
    this.#dead = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM dead').one().n
  }
}

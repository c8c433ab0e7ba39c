import { z } from 'zod'
import type { AppendStore } from '../../src/event-log/append.ts'
import type { RetentionStore } from '../../src/event-log/retention.ts'
import type { EventAttributes, LogEvent, NewEvent } from '../../src/events/log-event.ts'
import type { Sql } from '../shared/sql.ts'

type Row = {
  offset: number
  at: number
  source: string
  id: string
  type: string
  key: string | null
  version: number
  data: string | null
  attributes: string | null
  total: number
}

const attributesOf: z.ZodType<EventAttributes> = z.object({
  time: z.string().exactOptional(),
  subject: z.string().exactOptional(),
  datacontenttype: z.string().exactOptional(),
  dataschema: z.string().exactOptional(),
  base64: z.literal(true).exactOptional(),
  extensions: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).exactOptional(),
})

/** What an event takes beside its texts: the row and its index entry. */
const rowBytes = 64

/** The events of one topic, in the actor's SQLite. */
export class SqlEventStore implements AppendStore, RetentionStore {
  readonly #sql: Sql
  #top: number
  #at: number
  #total: number

  /** `top` is the newest offset ever used, which a log without events still knows. */
  constructor(sql: Sql, top: number) {
    this.#sql = sql
    const last = sql.exec<Row>('SELECT offset, at, total FROM events ORDER BY offset DESC LIMIT 1').toArray()[0]
    this.#top = Math.max(top, last?.offset ?? 0)
    this.#at = last?.at ?? 0
    this.#total = last?.total ?? 0
  }

  get top(): number {
    return this.#top
  }

  /** The oldest offset that is kept; the one behind the newest where none is. */
  get first(): number {
    const first = this.#sql.exec<{ first: number | null }>('SELECT min(offset) AS first FROM events').one().first
    return first ?? this.#top + 1
  }

  find(source: string, id: string): LogEvent | undefined {
    return this.#sql.exec<Row>('SELECT * FROM events WHERE source = ? AND id = ?', source, id).toArray().map(toEvent)[0]
  }

  insert(event: NewEvent, now: number): LogEvent {
    const { source, id, type, key, version, data, attributes } = event
    const carried = Object.keys(attributes).length === 0 ? null : JSON.stringify(attributes)
    this.#top++
    this.#at = Math.max(this.#at, now)
    this.#total +=
      rowBytes + 2 * (source.length + id.length) + type.length + (data?.length ?? 0) + (carried?.length ?? 0)
    this.#sql.exec(
      `INSERT INTO events (offset, at, source, id, type, key, version, data, attributes, total)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#top,
      this.#at,
      source,
      id,
      type,
      key,
      version,
      data,
      carried,
      this.#total,
    )
    return { ...event, offset: this.#top, at: this.#at }
  }

  /** Events after `after` in order, at most `limit` and about `maxBytes`, but at least one. */
  read(after: number, limit: number, maxBytes: number): LogEvent[] {
    const rows: Row[] = []
    let first: number | undefined
    for (const row of this.#sql.exec<Row>(
      'SELECT * FROM events WHERE offset > ? ORDER BY offset LIMIT ?',
      after,
      limit,
    )) {
      first ??= row.total
      if (rows.length > 0 && row.total - first > maxBytes) break
      rows.push(row)
    }
    return rows.map(toEvent)
  }

  /** The event with this offset, if it is kept. */
  at(offset: number): LogEvent | undefined {
    return this.#sql.exec<Row>('SELECT * FROM events WHERE offset = ?', offset).toArray().map(toEvent)[0]
  }

  atOf(offset: number): number {
    return this.#sql.exec<Row>('SELECT at FROM events WHERE offset = ?', offset).one().at
  }

  totalOf(offset: number): number {
    return this.#sql.exec<Row>('SELECT total FROM events WHERE offset = ?', offset).one().total
  }

  /** Own events in a range of offsets with a text in their data, and edits of messages with `withEdits`. */
  naming(text: string, withEdits: boolean, after: number, upTo: number, limit: number): LogEvent[] {
    const edits = withEdits ? "OR type = 'message.updated'" : ''
    return this.#sql
      .exec<Row>(
        `SELECT * FROM events WHERE offset > ? AND offset <= ? AND (instr(coalesce(data, ''), ?) > 0 ${edits})
         ORDER BY offset LIMIT ?`,
        after,
        upTo,
        text,
        limit,
      )
      .toArray()
      .map(toEvent)
  }

  /** Replaces what an event says; its offset and source stay. */
  rewrite({ offset, id, key, data, attributes }: LogEvent): void {
    const carried = Object.keys(attributes).length === 0 ? null : JSON.stringify(attributes)
    const change = 'UPDATE events SET id = ?, key = ?, data = ?, attributes = ? WHERE offset = ?'
    this.#sql.exec(change, id, key, data, carried, offset)
  }

  /** Deletes the events up to an offset. */
  removeUpTo(offset: number): void {
    this.#sql.exec('DELETE FROM events WHERE offset <= ?', offset)
  }
}

const toEvent = ({ offset, at, source, id, type, key, version, data, attributes }: Row): LogEvent => ({
  offset,
  at,
  source,
  id,
  type,
  key,
  version,
  data,
  attributes: attributes === null ? {} : attributesOf.parse(JSON.parse(attributes)),
})

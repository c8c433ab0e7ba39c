import { z } from 'zod'
import type { HeaderLists } from '../header.ts'
import { type Message, messageDetails } from '../model.ts'
import { bytesColumn, jsonColumn, type Database } from './database.ts'

const columns = 'seq, id, message_id, url, queue, details, body, status, response_header, response_body'

const letterRow = z
  .object({
    seq: z.number(),
    id: z.string(),
    message_id: z.string(),
    url: z.string(),
    queue: z.string().nullable(),
    details: jsonColumn(messageDetails),
    body: bytesColumn,
    status: z.number().nullable(),
    response_header: jsonColumn(z.record(z.string(), z.array(z.string()))),
    response_body: bytesColumn,
  })
  .transform(({ message_id, response_header, response_body, ...row }) => ({
    ...row,
    messageId: message_id,
    responseHeader: response_header,
    responseBody: response_body,
  }))

/** A message that will not be tried again, with the last answer it got; `status` is null when there was none. */
export type DeadLetter = z.infer<typeof letterRow>

/** The last answer a dead message got. */
export interface LastAnswer {
  status: number | null
  header: HeaderLists
  body: Uint8Array
}

/** The dead letter queue. */
export class DeadLetters {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Answers the letter's id, shaped `<unix ms>-<n>`. */
  add(message: Message, answer: LastAnswer, now: number): string {
    const insert = this.#db.prepare(
      `INSERT INTO dead_letters (id, message_id, url, queue, details, body, status, response_header, response_body)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    const { lastInsertRowid } = insert.run(
      `unnamed-${message.id}`,
      message.id,
      message.url,
      message.queue,
      JSON.stringify(message.details),
      message.body,
      answer.status,
      JSON.stringify(answer.header),
      answer.body,
    )
    const id = `${now}-${lastInsertRowid}`
    this.#db.prepare('UPDATE dead_letters SET id = ? WHERE seq = ?').run(id, lastInsertRowid)
    return id
  }

  get(id: string): DeadLetter | undefined {
    const row = this.#db.prepare(`SELECT ${columns} FROM dead_letters WHERE id = ?`).get(id)
    return row === undefined ? undefined : letterRow.parse(row)
  }

  /** Letters from the newest to the oldest, those before `cursor` only. */
  *before(cursor: number): Generator<DeadLetter> {
    const select = this.#db.prepare(`SELECT ${columns} FROM dead_letters WHERE seq < ? ORDER BY seq DESC`)
    for (const row of select.iterate(cursor)) yield letterRow.parse(row)
  }

  remove(id: string): boolean {
    return this.#db.prepare('DELETE FROM dead_letters WHERE id = ?').run(id).changes !== 0
  }
}

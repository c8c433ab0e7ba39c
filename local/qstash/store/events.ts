import { z } from 'zod'
import type { Message } from '../model.ts'
import { jsonColumn, type Database } from './database.ts'

/** The log is a window on the recent past; older entries make room. */
const KEPT = 10_000
/** Entries written between two clearings, so that clearing stays cheap. */
const CLEAR_EVERY = 1000

/** The states of the wire; `IN_PROGRESS` exists only as a filter over three of them. */
export type State = 'CREATED' | 'ACTIVE' | 'RETRY' | 'ERROR' | 'DELIVERED' | 'FAILED' | 'CANCEL_REQUESTED' | 'CANCELED'

const facts = z.object({
  method: z.string(),
  maxRetries: z.number(),
  createdAt: z.number(),
  callerIp: z.string(),
  labels: z.array(z.string()),
  topicName: z.string().optional(),
  endpointName: z.string().optional(),
  queueName: z.string().optional(),
  scheduleId: z.string().optional(),
  flowControlKey: z.string().optional(),
  nextDeliveryTime: z.number().optional(),
  responseStatus: z.number().optional(),
  error: z.string().optional(),
})

/** What an entry may add about one attempt. */
export type AttemptFacts = Pick<z.infer<typeof facts>, 'nextDeliveryTime' | 'responseStatus' | 'error'>

const eventRow = z.object({
  seq: z.number(),
  time: z.number(),
  state: z.string(),
  message_id: z.string(),
  url: z.string(),
  facts: jsonColumn(facts),
})

/** One entry of the log. */
export type Entry = z.infer<typeof eventRow>

/** The log of what happened to messages. */
export class Events {
  readonly #db: Database
  #written = 0

  constructor(db: Database) {
    this.#db = db
  }

  add(state: State, message: Message, now: number, attempt: AttemptFacts = {}): void {
    this.#db
      .prepare('INSERT INTO events (time, state, message_id, url, facts) VALUES (?, ?, ?, ?, ?)')
      .run(Math.floor(now), state, message.id, message.url, JSON.stringify({ ...factsOf(message), ...attempt }))
    this.#written += 1
    if (this.#written % CLEAR_EVERY === 0) this.#clear()
  }

  /** Entries from the newest to the oldest, those before `cursor` only. */
  *before(cursor: number): Generator<Entry> {
    const select = this.#db.prepare(
      'SELECT seq, time, state, message_id, url, facts FROM events WHERE seq < ? ORDER BY seq DESC',
    )
    for (const row of select.iterate(cursor)) yield eventRow.parse(row)
  }

  #clear(): void {
    this.#db.prepare('DELETE FROM events WHERE seq <= (SELECT MAX(seq) FROM events) - ?').run(KEPT)
  }
}

function factsOf({ queue, details }: Message): z.infer<typeof facts> {
  const { method, maxRetries, createdAt, callerIp, labels, topicName, endpointName, scheduleId, flow } = details
  return {
    method,
    maxRetries,
    createdAt,
    callerIp,
    labels,
    topicName,
    endpointName,
    scheduleId,
    queueName: queue ?? undefined,
    flowControlKey: flow?.key,
  }
}

import type { Amendments } from '../../src/conversations/ports.ts'
import type { LogRow, Target } from '../../src/conversations/types.ts'
import { tombstone, tombstoneOfEdit } from '../../src/events/tombstone.ts'
import type { LogSummary } from './log-summary.ts'
import type { MessageStateTables } from './message-state-tables.ts'
import type { MessageLog } from './message-log.ts'
import type { UploadTable } from './upload-table.ts'

/** What a message reads now: its newest text, or null when it is deleted. */
export interface Amendment {
  readonly ref: number
  readonly at: number
  readonly text: string | null
  /** The message as it was restored, as JSON text. */
  readonly entry?: string | null
}

/** Whether a message leaves the number of messages as it is; those of earlier versions have no number, and count. */
const isQuiet = `coalesce((SELECT number FROM messages WHERE seq = value) =
  (SELECT coalesce(max(before.number), 0) FROM messages before WHERE before.seq = value - 1), 0)`

/** The thread that a message is a reply in. */
const threadOf = '(SELECT thread FROM messages WHERE seq = value)'

/** The edited and deleted messages of one conversation, one row for each. */
export class AmendmentTable implements Amendments {
  readonly #sql: SqlStorage
  readonly #log: MessageLog
  readonly #summary: LogSummary
  readonly #states: MessageStateTables
  readonly #uploads: Pick<UploadTable, 'releaseOf'>
  /** The seq of the newest deletion since the actor started, 0 for none. */
  newestDeletion = 0
  /** Whether any message was ever edited or deleted; undefined until it is read. */
  #isUsed: boolean | undefined

  constructor(
    sql: SqlStorage,
    log: MessageLog,
    summary: LogSummary,
    states: MessageStateTables,
    uploads: Pick<UploadTable, 'releaseOf'>,
  ) {
    this.#sql = sql
    this.#log = log
    this.#summary = summary
    this.#states = states
    this.#uploads = uploads
  }

  target(seq: number): Target | undefined {
    const row = this.#sql.exec('SELECT user, client_id FROM messages WHERE seq = ?', seq).toArray()[0]
    if (row === undefined) return undefined
    const amended = this.#sql
      .exec<{ text: string | null }>('SELECT text FROM amendments WHERE ref = ?', seq)
      .toArray()[0]
    return {
      kind: row['client_id'] === null ? 'other' : 'message',
      user: String(row['user']),
      deleted: amended?.text === null,
      text: amended?.text ?? undefined,
    }
  }

  newestOf(ref: number): LogRow | undefined {
    const amends = `data LIKE '{"type":"message.%' AND json_extract(data, '$.ref') = ?`
    const after = Math.max(ref, this.#log.floor() - 1)
    return this.#log.rows(`seq > ? AND client_id IS NULL AND ${amends} ORDER BY seq DESC LIMIT 1`, after, ref)[0]
  }

  amend(ref: number, text: string | null, at: number): void {
    this.#isUsed = true
    this.#sql.exec(
      `INSERT INTO amendments (ref, at, text, quiet, thread) SELECT value, ?, ?, ${isQuiet}, ${threadOf} FROM json_each(?) WHERE true
       ON CONFLICT (ref) DO UPDATE SET at = excluded.at, text = excluded.text`,
      at,
      text,
      `[${ref}]`,
    )
    if (text === null) {
      this.#states.deleted(ref)
      this.#uploads.releaseOf(ref)
      this.newestDeletion = this.#log.top()
      this.#scrub(ref)
    }
    this.#summary.amended(ref, text)
  }

  /** Messages whose content is gone already are deleted, all at once. */
  deleteAll(refs: readonly number[], at: number): void {
    this.#isUsed = true
    this.#sql.exec(
      `INSERT INTO amendments (ref, at, text, quiet, thread) SELECT value, ?, NULL, ${isQuiet}, ${threadOf} FROM json_each(?) WHERE true
       ON CONFLICT (ref) DO UPDATE SET at = excluded.at, text = NULL WHERE text IS NOT NULL`,
      at,
      JSON.stringify(refs),
    )
    for (const ref of refs) {
      this.#states.deleted(ref)
      this.#uploads.releaseOf(ref)
    }
  }

  /** How many messages after `seq` are deleted, without those that did not count. */
  deletedAfter(seq: number): number {
    if (!this.#hasAny()) return 0
    const count = 'SELECT count(*) AS n FROM amendments WHERE ref > ? AND text IS NULL AND quiet = 0'
    return this.#sql.exec<{ n: number }>(count, seq).one().n
  }

  /** Whether message `ref`, which is amended, did not count: the number of messages is the same before it. */
  isQuiet(ref: number): boolean {
    return this.#sql.exec('SELECT 1 FROM amendments WHERE ref = ? AND quiet = 1', ref).toArray().length > 0
  }

  /** The amendments of messages in `first`…`last`. */
  between(first: number, last: number): Amendment[] {
    if (!this.#hasAny()) return []
    return this.#sql
      .exec<{ ref: number; at: number; text: string | null; entry: string | null }>(
        `SELECT ref, at, text, (SELECT data FROM kept_messages kept WHERE kept.ref = amendments.ref AND until IS NULL) AS entry
         FROM amendments WHERE ref BETWEEN ? AND ?`,
        first,
        last,
      )
      .toArray()
  }

  clear(): void {
    this.#sql.exec('DELETE FROM amendments')
    this.#isUsed = false
  }

  #hasAny(): boolean {
    return (this.#isUsed ??= this.#sql.exec('SELECT 1 FROM amendments LIMIT 1').toArray().length > 0)
  }

  /** Removes the text of a deleted message and of its edits; the entries keep their places. */
  #scrub(ref: number): void {
    const row = this.#log.range(ref - 1, ref, 1)[0]
    if (row !== undefined) this.#log.rewrite({ ...row, data: tombstone(row.data) })
    for (const edit of this.editsOf(ref)) this.#log.rewrite({ ...edit, data: tombstoneOfEdit(edit.data) })
  }

  /** The edits of a message, in their order. */
  editsOf(ref: number): LogRow[] {
    const edit = `data LIKE '{"type":"message.edited"%' AND json_extract(data, '$.ref') = ?`
    return this.#log.rows(`seq > ? AND client_id IS NULL AND ${edit} ORDER BY seq`, ref, ref)
  }
}

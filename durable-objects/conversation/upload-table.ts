import type { Upload, Uploads } from '../../src/conversations/ports.ts'
import { expiresAt } from '../../src/conversations/uploads.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { Sql } from '../shared/sql.ts'
import { parseStored } from '../shared/parse-stored.ts'

/** Files whose bytes are to be deleted. */
export interface ReleasedUpload {
  readonly id: string
  readonly multipart: string | null
}

/**
 * The files of one conversation, one row for each. `due` is when the row is to be let go of: a day after the file was begun while no message
 * names it, 0 once it was let go of, and null otherwise.
 */
export class UploadTable implements Uploads {
  readonly #sql: Sql
  /** When the next row is due; undefined until it is read, and null for none. */
  #nextDue: number | null | undefined

  constructor(sql: Sql, exists: boolean) {
    this.#sql = sql
    if (!exists) this.#nextDue = null
  }

  get(id: string): Upload | undefined {
    return this.#rows('id = ? AND (due IS NULL OR due > 0)', id)[0]
  }

  put(upload: Upload): void {
    const { id, user, seq, state } = upload
    const due = expiresAt(upload)
    this.#sql.exec(
      `INSERT INTO uploads (id, user, seq, state, due, data) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET user = excluded.user, seq = excluded.seq, state = excluded.state, due = excluded.due,
       data = excluded.data`,
      id,
      user,
      seq,
      state,
      due,
      JSON.stringify(upload),
    )
    this.#nextDue = undefined
  }

  openOf(user: string): number {
    const open = `SELECT count(*) AS n FROM uploads WHERE user = ? AND state = 'open' AND due > 0`
    return this.#sql.exec<{ n: number }>(open, user).one().n
  }

  release(id: string): void {
    this.#release('id = ?', id)
  }

  /** Lets go of the files of a message. */
  releaseOf(seq: number): void {
    this.#release('seq = ?', seq)
  }

  keepOf(seq: number, until: number | null): void {
    this.#sql.exec('UPDATE uploads SET due = ? WHERE seq = ?', until, seq)
    this.#nextDue = undefined
  }

  /** Lets go of all files: their conversation was deleted. */
  releaseAll(): void {
    this.#release('due IS NULL OR due > 0')
  }

  /** When the next file is due, in milliseconds since the epoch; null for none. */
  get nextDue(): number | null {
    if (this.#nextDue === undefined) {
      const next = 'SELECT min(due) AS due FROM uploads WHERE due IS NOT NULL'
      this.#nextDue = this.#sql.exec<{ due: number | null }>(next).one().due
    }
    return this.#nextDue
  }

  /** Files that are due, at most `limit`. From now on messages cannot name them. */
  takeDue(now: number, limit: number): ReleasedUpload[] {
    const due = this.#rows(`due <= ? ORDER BY due LIMIT ${limit}`, now)
    for (const { id } of due) this.release(id)
    return due.map(({ id, multipart }) => ({ id, multipart }))
  }

  /** Their bytes are deleted. */
  forget(ids: readonly string[]): void {
    this.#sql.exec('DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(?))', JSON.stringify(ids))
    this.#nextDue = undefined
  }

  /** Files of deleted messages go with them; those of kept messages, and of the other users, stay. Returns how many changed. */
  eraseUser({ user, pseudonym, messages }: ErasedUser, limit: number): number {
    const theirs = this.#rows(`user = ? AND (due IS NULL OR due > 0) LIMIT ${limit}`, user)
    for (const upload of theirs) {
      this.put({ ...upload, user: pseudonym, ...(messages === 'delete' ? { name: '' } : {}) })
      if (messages === 'delete' || upload.seq === null) this.release(upload.id)
    }
    return theirs.length
  }

  #release(where: string, ...given: (string | number)[]): void {
    this.#sql.exec(`UPDATE uploads SET due = 0 WHERE ${where}`, ...given)
    this.#nextDue = undefined
  }

  #rows(where: string, ...given: (string | number)[]): Upload[] {
    return this.#sql
      .exec<{ data: string }>(`SELECT data FROM uploads WHERE ${where}`, ...given)
      .toArray()
      .map(({ data }) => parseStored<Upload>(data))
  }
}

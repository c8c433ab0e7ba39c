import type { Mentions } from '../../src/events/activity.ts'

/** Whom one message mentions. */
export interface Mention {
  readonly seq: number
  readonly users: readonly string[]
  readonly everyone: boolean
}

/** The messages that mention users, one row for each. Deleted ones stay, since the deletion is to be counted too. */
export class MentionTable {
  readonly #sql: SqlStorage
  /** The newest message with mentions, 0 for none. */
  #newest: number

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    this.#newest = exists ? Number(sql.exec('SELECT coalesce(max(seq), 0) AS top FROM mentions').one()['top']) : 0
  }

  /** Who is connected when a message is stored is recorded nowhere, so `here` counts like `channel`. */
  put(seq: number, { users = [], here, channel }: Mentions): Mention {
    const everyone = here === true || channel === true
    this.#sql.exec(
      'INSERT INTO mentions (seq, users, everyone) VALUES (?, ?, ?)',
      seq,
      JSON.stringify(users),
      everyone ? 1 : 0,
    )
    this.#newest = seq
    return { seq, users, everyone }
  }

  /** The newest message with mentions, 0 for none. */
  get newest(): number {
    return this.#newest
  }

  get(seq: number): Mention | undefined {
    return seq > this.#newest ? undefined : this.#rows('seq = ?', seq)[0]
  }

  after(seq: number): Mention[] {
    return seq >= this.#newest ? [] : this.#rows('seq > ? ORDER BY seq', seq)
  }

  /** Those after `seq` whose message is not deleted. */
  liveAfter(seq: number): Mention[] {
    const isLive = 'seq NOT IN (SELECT ref FROM amendments WHERE text IS NULL)'
    return seq >= this.#newest ? [] : this.#rows(`seq > ? AND ${isLive}`, seq)
  }

  clear(): void {
    this.#sql.exec('DELETE FROM mentions')
    this.#newest = 0
  }

  #rows(where: string, seq: number): Mention[] {
    return this.#sql
      .exec<{ seq: number; users: string; everyone: number }>(
        `SELECT seq, users, everyone FROM mentions WHERE ${where}`,
        seq,
      )
      .toArray()
      .map(({ seq: at, users, everyone }) => ({ seq: at, users: parseUsers(users), everyone: everyone === 1 }))
  }
}

function parseUsers(text: string): readonly string[] {
  const users: string[] = JSON.parse(text)
  return users
}

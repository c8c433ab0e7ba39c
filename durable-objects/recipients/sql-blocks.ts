import type { Sql } from '../shared/sql.ts'

/** Whom the users of this actor block, as far as notifications are concerned; their inboxes are the authority. */
export const blocksSchema = `
  CREATE TABLE blocks (user TEXT NOT NULL, blocked TEXT NOT NULL, PRIMARY KEY (user, blocked)) WITHOUT ROWID;
  CREATE INDEX blocks_of ON blocks (blocked);`

export class BlockTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  set(user: string, blocked: string, isBlocked: boolean): void {
    if (isBlocked) this.#sql.exec('INSERT OR IGNORE INTO blocks VALUES (?, ?)', user, blocked)
    else this.#sql.exec('DELETE FROM blocks WHERE user = ? AND blocked = ?', user, blocked)
  }

  /** The users that a user blocks. */
  of(user: string): string[] {
    const sql = 'SELECT blocked FROM blocks WHERE user = ? ORDER BY blocked'
    return Array.from(this.#sql.exec<{ blocked: string }>(sql, user), ({ blocked }) => blocked)
  }

  /** Those of `users` that block the author. */
  blockersAmong(users: readonly string[], author: string): Set<string> {
    const sql = 'SELECT user FROM blocks WHERE blocked = ? AND user IN (SELECT value FROM json_each(?))'
    return new Set(Array.from(this.#sql.exec<{ user: string }>(sql, author, JSON.stringify(users)), ({ user }) => user))
  }

  /** Forgets a user on both sides of blocks; returns how many there were. */
  deleteUser(user: string): number {
    return this.#sql.exec('DELETE FROM blocks WHERE user = ? OR blocked = ? RETURNING user', user, user).toArray()
      .length
  }
}

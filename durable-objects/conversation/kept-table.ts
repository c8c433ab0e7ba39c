import { entryWithout } from '../../src/conversations/erase-user.ts'
import type { KeptMessages } from '../../src/conversations/message-states.ts'
import { inJson, type ErasedUser } from '../../src/events/erased-user.ts'
import type { Sql } from '../shared/sql.ts'

/** The content of deleted messages that can be restored, until a time, and of restored ones: the log and Postgres never have it again at its place. */
export class KeptTable implements KeptMessages {
  readonly #sql: Sql
  readonly #used: () => void
  /** When the first time is over; undefined until it is read. */
  #nextEnd: number | undefined

  constructor(sql: Sql, used: () => void) {
    this.#sql = sql
    this.#used = used
  }

  of(ref: number): { readonly data: string; readonly until: number | null } | undefined {
    const kept = 'SELECT data, until FROM kept_messages WHERE ref = ?'
    return this.#sql.exec<{ data: string; until: number | null }>(kept, ref).toArray()[0]
  }

  put(ref: number, data: string, until: number | null): void {
    this.#used()
    this.#nextEnd = undefined
    this.#sql.exec('INSERT OR REPLACE INTO kept_messages (ref, data, until) VALUES (?, ?, ?)', ref, data, until)
  }

  remove(ref: number): void {
    this.#nextEnd = undefined
    this.#sql.exec('DELETE FROM kept_messages WHERE ref = ?', ref)
  }

  /** When the content of a deleted message has to go next, in milliseconds since the epoch; Infinity where none is kept. */
  get nextEnd(): number {
    const next = 'SELECT min(until) AS next FROM kept_messages'
    return (this.#nextEnd ??= this.#sql.exec<{ next: number | null }>(next).one().next ?? Infinity)
  }

  /** Removes the content of deleted messages whose time is over. */
  purge(now: number): void {
    this.#nextEnd = undefined
    this.#sql.exec('DELETE FROM kept_messages WHERE until <= ?', now)
  }

  /** Erases a user from the content of messages after `after` and up to `upTo`. Returns how many rows that changed. */
  erase(erased: ErasedUser, after: number, upTo: number): number {
    const named = 'SELECT ref, data FROM kept_messages WHERE ref > ? AND ref <= ? AND instr(data, ?) > 0'
    const rows = this.#sql.exec<{ ref: number; data: string }>(named, after, upTo, inJson(erased.user)).toArray()
    for (const { ref, data } of rows) {
      const { user, clientId }: { readonly user: string; readonly clientId: string } = JSON.parse(data)
      const without = entryWithout({ seq: ref, user, client: '', clientId, data }, erased)
      if (user === erased.user && erased.messages === 'delete') this.remove(ref)
      else if (typeof without?.data === 'string')
        this.#sql.exec('UPDATE kept_messages SET data = ? WHERE ref = ?', without.data, ref)
    }
    return rows.length
  }

  clear(): void {
    this.#nextEnd = undefined
    this.#sql.exec('DELETE FROM kept_messages')
  }
}

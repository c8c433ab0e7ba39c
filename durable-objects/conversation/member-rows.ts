import type { Member } from '../../src/conversations/types.ts'
import type { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'

/** Their JSON stays below what SQLite takes as one value. */
const membersPerStatement = 1000
/** The setting that says that everything is reported, and what would else follow from all rows; empty while a change may not be reported. */
const settledKey = 'members'

type StoredMember = {
  readonly user: string
  readonly role: string
  readonly joined_at: number
  readonly read: number
  readonly joined: number
  readonly read_untold: number
  readonly inbox_untold: number
}
const columns = 'user, role, joined_at, read, joined, read_untold, inbox_untold'

/** A row: the member, the number of its newest change, and whether the member's inbox does not know that they are one. */
export interface MemberRow {
  readonly member: Member
  readonly change: number
  readonly isNew: boolean
}

/** The rows of the members of one conversation, and the setting that spares an instance from reading all of them. */
export class MemberRows {
  readonly #sql: Sql
  readonly #settings: Settings

  constructor(sql: Sql, settings: Settings) {
    this.#sql = sql
    this.#settings = settings
  }

  /** All of them, by user id. */
  all(): MemberRow[] {
    return this.#select('ORDER BY user')
  }

  some(limit: number): MemberRow[] {
    return this.#select('ORDER BY user LIMIT ?', limit)
  }

  of(user: string): MemberRow | undefined {
    return this.#select('WHERE user = ?', user)[0]
  }

  put({ user, role, joinedAt, read, joined }: Member, change: number): void {
    this.#sql.exec(
      `INSERT INTO members (user, role, joined_at, read, joined, read_untold, inbox_untold) VALUES (?, ?, ?, ?, ?, ?, 1)
       ON CONFLICT (user) DO UPDATE SET role = excluded.role, read = excluded.read, joined = excluded.joined`,
      user,
      role,
      joinedAt,
      read,
      joined,
      change,
    )
  }

  /** Adds the members of a new conversation in few statements: ten thousand single ones hold up the thread for 0.3 s. */
  putAll(members: readonly Member[]): void {
    for (let first = 0; first < members.length; first += membersPerStatement)
      this.#sql.exec(
        `INSERT INTO members (user, role, joined_at, read, read_untold, joined)
         SELECT value ->> 'user', value ->> 'role', value ->> 'joinedAt', value ->> 'read', 0, value ->> 'joined' FROM json_each(?)`,
        JSON.stringify(members.slice(first, first + membersPerStatement)),
      )
  }

  remove(user: string): void {
    this.#sql.exec('DELETE FROM members WHERE user = ?', user)
  }

  clear(): void {
    this.#sql.exec('DELETE FROM members')
  }

  moveRead(user: string, seq: number, change: number): void {
    this.#sql.exec('UPDATE members SET read = ?, read_untold = ? WHERE user = ?', seq, change, user)
  }

  keepRead(user: string, seq: number): void {
    this.#sql.exec('UPDATE members SET read = ? WHERE user = ?', seq, user)
  }

  introduced(user: string): void {
    this.#sql.exec('UPDATE members SET inbox_untold = 0 WHERE user = ?', user)
  }

  /** The members whose rows changed after change number `number`. */
  changedAfter(number: number): string[] {
    return this.#sql
      .exec<{ user: string }>('SELECT user FROM members WHERE read_untold > ?', number)
      .toArray()
      .map(({ user }) => user)
  }

  get isSettled(): boolean {
    return (this.#settings.get(settledKey) ?? '') !== ''
  }

  /** What the setting says, if it is that of the conversation as it is now: the version before does not keep it. */
  settled(version: number): { readonly count: number; readonly changes: number } | undefined {
    const [at, count, changes] = (this.#settings.get(settledKey) ?? '').split(' ').map(Number)
    return count === undefined || changes === undefined || at !== version ? undefined : { count, changes }
  }

  settle(version: number, count: number, changes: number): void {
    this.#settings.set(settledKey, `${version} ${count} ${changes}`)
  }

  /** A change is about to be written, in the same commit: until it is reported the next instance looks through all members. */
  unsettle(): void {
    if (this.isSettled) this.#settings.set(settledKey, '')
  }

  #select(rest: string, ...bindings: (string | number)[]): MemberRow[] {
    return this.#sql
      .exec<StoredMember>(`SELECT ${columns} FROM members ${rest}`, ...bindings)
      .toArray()
      .map(toRow)
  }
}

const toRow = ({ user, role, joined_at, read, joined, read_untold, inbox_untold }: StoredMember): MemberRow => ({
  member: { user, role, joinedAt: joined_at, read, joined },
  change: read_untold,
  isNew: inbox_untold === 1,
})

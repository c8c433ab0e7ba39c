import type { Members } from '../../src/conversations/ports.ts'
import type { Member, Role } from '../../src/conversations/types.ts'

/** Their JSON stays below what SQLite takes as one value. */
const membersPerStatement = 1000

/**
 * The members of one conversation, held in memory and written through. Read cursors that move because their member sent a
 * message are kept in memory only until the next `flush` or `keep`: after a crash they follow from the log.
 */
export class MemberTable implements Members {
  readonly #sql: SqlStorage
  readonly #members = new Map<string, Member>()
  readonly #moved = new Set<string>()

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    if (!exists) return
    for (const row of sql.exec('SELECT user, role, joined_at, read, joined FROM members ORDER BY user')) {
      const user = String(row['user'])
      this.#members.set(user, {
        user,
        role: asRole(row['role']),
        joinedAt: Number(row['joined_at']),
        read: Number(row['read']),
        joined: Number(row['joined']),
      })
    }
  }

  get(user: string): Member | undefined {
    return this.#members.get(user)
  }

  count(): number {
    return this.#members.size
  }

  all(): IterableIterator<Member> {
    return this.#members.values()
  }

  after(user: string, limit: number): Member[] {
    return [...this.#members.values()]
      .filter((member) => member.user > user)
      .sort((a, b) => (a.user < b.user ? -1 : 1))
      .slice(0, limit)
  }

  some(limit: number): Member[] {
    return [...this.#members.values()].slice(0, limit)
  }

  /** Adds or changes a member. A new one is among the `untold`. */
  put(member: Member): void {
    const { user, role, joinedAt, read, joined } = member
    this.#sql.exec(
      `INSERT INTO members (user, role, joined_at, read, read_untold, joined) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (user) DO UPDATE SET role = excluded.role, read = excluded.read, joined = excluded.joined`,
      user,
      role,
      joinedAt,
      read,
      1,
      joined,
    )
    this.#members.set(user, member)
  }

  /** Adds the members of a new conversation in few statements: ten thousand single ones hold up the thread for 0.3 s. */
  putAll(members: readonly Member[]): void {
    for (let first = 0; first < members.length; first += membersPerStatement)
      this.#putSome(members.slice(first, first + membersPerStatement))
  }

  #putSome(members: readonly Member[]): void {
    this.#sql.exec(
      `INSERT INTO members (user, role, joined_at, read, read_untold, joined)
       SELECT value ->> 'user', value ->> 'role', value ->> 'joinedAt', value ->> 'read', 0, value ->> 'joined' FROM json_each(?)`,
      JSON.stringify(members),
    )
    for (const member of members) this.#members.set(member.user, member)
  }

  remove(user: string): void {
    this.#sql.exec('DELETE FROM members WHERE user = ?', user)
    this.#members.delete(user)
    this.#moved.delete(user)
  }

  /** Removes every member: a conversation that begins anew has none of those of the deleted one. */
  clear(): void {
    this.#sql.exec('DELETE FROM members')
    this.#members.clear()
    this.#moved.clear()
  }

  moveRead(user: string, seq: number): void {
    this.#sql.exec('UPDATE members SET read = ?, read_untold = 1 WHERE user = ?', seq, user)
    this.#remember(user, seq)
  }

  /** A member that sends a message has read the entries before it: moves the cursor without a write. */
  wrote(user: string, seq: number): void {
    if (this.#remember(user, seq)) this.#moved.add(user)
  }

  /** Members that are new or whose cursor moved, including cursors that are not stored yet. */
  changed(): string[] {
    return [...new Set([...this.untold(), ...this.#moved])]
  }

  /** New members, and those whose inbox does not know their cursor yet. */
  untold(): string[] {
    return this.#sql
      .exec('SELECT user FROM members WHERE read_untold = 1')
      .toArray()
      .map((row) => String(row['user']))
  }

  /** Stores the cursors that are in memory only. */
  keep(): void {
    for (const user of this.#moved)
      this.#sql.exec(
        'UPDATE members SET read = ?, read_untold = 1 WHERE user = ?',
        this.#members.get(user)?.read ?? 0,
        user,
      )
    this.#moved.clear()
  }

  /** Stores the cursors that the inboxes were told, and notes that they were. A cursor that moved since stays pending. */
  flush(told: ReadonlyMap<string, number>): void {
    for (const [user, read] of told) {
      const isMoved = this.#moved.has(user) && this.#members.get(user)?.read === read
      if (isMoved) this.#sql.exec('UPDATE members SET read = ?, read_untold = 0 WHERE user = ?', read, user)
      else
        this.#sql.exec(
          'UPDATE members SET read_untold = 0 WHERE user = ? AND read_untold = 1 AND read <= ?',
          user,
          read,
        )
      if (isMoved) this.#moved.delete(user)
    }
  }

  #remember(user: string, seq: number): boolean {
    const member = this.#members.get(user)
    if (member === undefined || member.read >= seq) return false
    this.#members.set(user, { ...member, read: seq })
    return true
  }
}

const asRole = (value: unknown): Role => (value === 'owner' || value === 'admin' ? value : 'member')

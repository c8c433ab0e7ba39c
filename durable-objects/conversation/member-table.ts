import type { Members } from '../../src/conversations/ports.ts'
import type { Member, Role } from '../../src/conversations/types.ts'

/** Their JSON stays below what SQLite takes as one value. */
const membersPerStatement = 1000

/**
 * The members of one conversation, held in memory and written through. Read cursors that move because their member sent a
 * message are kept in memory until the next `keep`: after a crash they follow from the log and from `recall`.
 */
export class MemberTable implements Members {
  readonly #sql: SqlStorage
  readonly #members = new Map<string, Member>()
  /** Members whose cursor is ahead of their row. */
  readonly #moved = new Set<string>()
  /** Members whose inbox does not know that they are, each with the number of their joining. */
  readonly #newcomers = new Map<string, number>()
  #joins = 0
  /** Members whose state the Activity actor may not know. */
  #unreported = new Set<string>()
  /** How many times rows got another cursor or a new member. */
  #changes = 0

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    if (!exists) return
    for (const row of sql.exec(
      'SELECT user, role, joined_at, read, joined, read_untold, inbox_untold FROM members ORDER BY user',
    )) {
      const user = String(row['user'])
      this.#changes = Math.max(this.#changes, Number(row['read_untold']))
      if (row['inbox_untold'] === 1) this.#newcomers.set(user, 0)
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

  /** Adds or changes a member. A new one is among the `newcomers`. */
  put(member: Member): void {
    const { user, role, joinedAt, read, joined } = member
    if (!this.#members.has(user)) this.#newcomers.set(user, ++this.#joins)
    this.#sql.exec(
      `INSERT INTO members (user, role, joined_at, read, joined, read_untold, inbox_untold) VALUES (?, ?, ?, ?, ?, ?, 1)
       ON CONFLICT (user) DO UPDATE SET role = excluded.role, read = excluded.read, joined = excluded.joined`,
      user,
      role,
      joinedAt,
      read,
      joined,
      ++this.#changes,
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
    this.#newcomers.delete(user)
  }

  /** Removes every member: a conversation that begins anew has none of those of the deleted one. */
  clear(): void {
    this.#sql.exec('DELETE FROM members')
    this.#members.clear()
    this.#moved.clear()
    this.#newcomers.clear()
    this.#unreported.clear()
  }

  moveRead(user: string, seq: number): void {
    this.#sql.exec('UPDATE members SET read = ?, read_untold = ? WHERE user = ?', seq, ++this.#changes, user)
    this.#remember(user, seq)
    this.#moved.delete(user)
    this.#unreported.add(user)
  }

  /** A member that sends a message has read the entries before it: moves the cursor without a write. */
  wrote(user: string, seq: number): void {
    this.#unreported.add(user)
    if (this.#remember(user, seq)) this.#moved.add(user)
  }

  /** The state of a user changed by more than a further message of others. */
  noteChanged(user: string): void {
    this.#unreported.add(user)
  }

  get hasUnreported(): boolean {
    return this.#unreported.size > 0
  }

  /** Users whose state changed since the last call, or was not reported then. */
  takeUnreported(): Set<string> {
    const unreported = this.#unreported
    this.#unreported = new Set()
    return unreported
  }

  /** New members whose inbox was not updated yet. */
  newcomers(): string[] {
    return [...this.#newcomers.keys()]
  }

  /** How many users have joined since this instance began. */
  get joins(): number {
    return this.#joins
  }

  /** The inboxes of these users know that they are members, but for users that left and came back after join number `joins`. */
  introduced(users: readonly string[], joins: number): void {
    for (const user of users)
      if ((this.#newcomers.get(user) ?? Infinity) <= joins && this.#newcomers.delete(user))
        this.#sql.exec('UPDATE members SET inbox_untold = 0 WHERE user = ?', user)
  }

  /** The number of the newest change of a row. */
  get changes(): number {
    return this.#changes
  }

  /** The members whose rows changed after change number `number`. */
  changedAfter(number: number): string[] {
    if (number >= this.#changes) return []
    const rows = this.#sql.exec('SELECT user FROM members WHERE read_untold > ?', number).toArray()
    return rows.map((row) => String(row['user']))
  }

  /** The cursors that are ahead of their rows. */
  moved(): Record<string, number> {
    return Object.fromEntries([...this.#moved].map((user) => [user, this.#members.get(user)?.read ?? 0]))
  }

  /** Takes over cursors that `moved` had returned. */
  recall(cursors: Readonly<Record<string, number>>): void {
    for (const [user, read] of Object.entries(cursors)) if (this.#remember(user, read)) this.#moved.add(user)
  }

  /** Writes all cursors to their rows. */
  keep(): void {
    for (const [user, read] of Object.entries(this.moved()))
      this.#sql.exec('UPDATE members SET read = ? WHERE user = ?', read, user)
    this.#moved.clear()
  }

  #remember(user: string, seq: number): boolean {
    const member = this.#members.get(user)
    if (member === undefined || member.read >= seq) return false
    this.#members.set(user, { ...member, read: seq })
    return true
  }
}

const asRole = (value: unknown): Role => (value === 'owner' || value === 'admin' ? value : 'member')

import type { Members } from '../../src/conversations/ports.ts'
import type { Member, Role } from '../../src/conversations/types.ts'

/**
 * Who belongs to one conversation, held in memory and written through. Read cursors that move because somebody wrote
 * are only remembered and reach the table with the next `flush` or `keep`: after a loss they follow from the log again.
 */
export class MemberTable implements Members {
  readonly #sql: SqlStorage
  readonly #members = new Map<string, Member>()
  readonly #moved = new Set<string>()

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    if (!exists) return
    for (const row of sql.exec('SELECT user, role, joined_at, read FROM members ORDER BY user')) {
      const user = String(row['user'])
      this.#members.set(user, {
        user,
        role: asRole(row['role']),
        joinedAt: Number(row['joined_at']),
        read: Number(row['read']),
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

  some(limit: number): Member[] {
    return [...this.#members.values()].slice(0, limit)
  }

  put(member: Member): void {
    const { user, role, joinedAt, read } = member
    this.#sql.exec(
      'INSERT INTO members (user, role, joined_at, read) VALUES (?, ?, ?, ?) ON CONFLICT (user) DO UPDATE SET role = excluded.role, read = excluded.read',
      user,
      role,
      joinedAt,
      read,
    )
    this.#members.set(user, member)
  }

  remove(user: string): void {
    this.#sql.exec('DELETE FROM members WHERE user = ?', user)
    this.#members.delete(user)
    this.#moved.delete(user)
  }

  moveRead(user: string, seq: number): void {
    this.#sql.exec('UPDATE members SET read = ?, read_untold = 1 WHERE user = ?', seq, user)
    this.#remember(user, seq)
  }

  /** Who writes has read what came before: moves the cursor without a row. */
  wrote(user: string, seq: number): void {
    if (this.#remember(user, seq)) this.#moved.add(user)
  }

  /** Members whose inbox does not know their cursor yet. */
  untold(): string[] {
    return this.#sql
      .exec('SELECT user FROM members WHERE read_untold = 1')
      .toArray()
      .map((row) => String(row['user']))
  }

  /** Makes remembered cursors durable. */
  keep(): void {
    for (const user of this.#moved)
      this.#sql.exec('UPDATE members SET read = ? WHERE user = ?', this.#members.get(user)?.read ?? 0, user)
    this.#moved.clear()
  }

  /** Makes remembered cursors durable and notes whose inbox knows the cursor it was told; one that moved since is owed again. */
  flush(told: ReadonlyMap<string, number>): void {
    this.keep()
    for (const [user, read] of told) {
      this.#sql.exec('UPDATE members SET read_untold = 0 WHERE user = ? AND read_untold = 1 AND read <= ?', user, read)
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

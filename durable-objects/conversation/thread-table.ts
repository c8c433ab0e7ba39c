import { type FollowedThread, maxFollowed, type Threads } from '../../src/conversations/message-states.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import { sizes } from '../../src/protocol/limits.ts'
import type { MessageState } from '../../src/protocol/stream.ts'
import type { Sql } from '../shared/sql.ts'

type Summary = NonNullable<MessageState['replies']>

/** Users of whom it is remembered that they replied in a thread. */
const maxRemembered = 10_000

/** Whether a message is not deleted. */
const isLive = 'NOT EXISTS (SELECT 1 FROM amendments WHERE amendments.ref = messages.seq AND text IS NULL)'

/**
 * Threads of one conversation. The replies are rows of `messages` with the root in `thread` and the number of replies up to them in
 * `reply`, so that a reply costs one index entry more than a message. `thread_users` has a row for each user that has a part
 * in a thread.
 */
export class ThreadTable implements Threads {
  readonly #sql: Sql
  readonly #used: () => void
  readonly #replied = new Set<string>()
  /** Whether any message begins a thread; undefined until it is read. */
  #isUsed: boolean | undefined
  /** The newest reply that mentions users since the actor started, 0 for none. */
  newestMention = 0

  constructor(sql: Sql, used: () => void) {
    this.#sql = sql
    this.#used = used
  }

  rootOf(seq: number): number | undefined {
    const row = this.#sql.exec<{ thread: number | null }>('SELECT thread FROM messages WHERE seq = ?', seq).toArray()[0]
    return row?.thread ?? undefined
  }

  begin(root: number, author: string, follows: boolean): void {
    if (this.#knows(`${root}`)) return
    this.#noteUse()
    this.#sql.exec(
      'INSERT OR IGNORE INTO thread_users (root, user, follows) VALUES (?, ?, ?)',
      root,
      author,
      follows ? 1 : null,
    )
  }

  replied(root: number, user: string, seq: number): void {
    if (this.#knows(`${root} ${user}`)) return
    this.#noteUse()
    this.#sql.exec(
      `INSERT INTO thread_users (root, user, first, follows) VALUES (?, ?, ?, 1)
       ON CONFLICT (root, user) DO UPDATE SET first = coalesce(first, excluded.first), follows = coalesce(follows, 1)
       WHERE first IS NULL OR follows IS NULL`,
      root,
      user,
      seq,
    )
  }

  mentioned(root: number, users: readonly string[], seq: number): void {
    this.newestMention = seq
    for (const user of users)
      this.#sql.exec(
        `INSERT INTO thread_users (root, user, follows) VALUES (?, ?, 1)
         ON CONFLICT (root, user) DO UPDATE SET follows = 1 WHERE follows IS NULL`,
        root,
        user,
      )
  }

  follow(root: number, user: string, follows: boolean): void {
    this.#noteUse()
    this.#sql.exec(
      `INSERT INTO thread_users (root, user, follows) VALUES (?, ?, ?)
       ON CONFLICT (root, user) DO UPDATE SET follows = excluded.follows WHERE follows IS NOT excluded.follows`,
      root,
      user,
      follows ? 1 : 0,
    )
  }

  moveRead(root: number, user: string, seq: number): void {
    this.#noteUse()
    this.#sql.exec(
      `INSERT INTO thread_users (root, user, follows, read) VALUES (?, ?, NULL, ?)
       ON CONFLICT (root, user) DO UPDATE SET read = excluded.read WHERE read < excluded.read`,
      root,
      user,
      seq,
    )
  }

  of(root: number, user: string): FollowedThread & { readonly follows: boolean } {
    const [known] = this.#parts('user = ? AND root = ?', user, root)
    if (known !== undefined) return known
    const last = this.#newest(root)
    return { root, last: last ?? root, read: 0, unread: this.#count(root), follows: false }
  }

  followedBy(user: string): FollowedThread[] {
    return this.#parts(
      `user = ? AND follows = 1 AND root IN
       (SELECT root FROM thread_users WHERE user = ? AND follows = 1 ORDER BY root DESC LIMIT ${maxFollowed})`,
      user,
      user,
    ).map(({ root, last, read, unread }) => ({ root, last, read, unread }))
  }

  followersOf(root: number): string[] {
    const followers = 'SELECT user FROM thread_users WHERE root = ? AND follows = 1 ORDER BY user'
    return this.#sql
      .exec<{ user: string }>(followers, root)
      .toArray()
      .map(({ user }) => user)
  }

  follows(root: number, user: string): boolean {
    const follower = 'SELECT 1 AS follows FROM thread_users WHERE root = ? AND user = ? AND follows = 1'
    return this.#sql.exec(follower, root, user).toArray().length > 0
  }

  get hasAny(): boolean {
    return (this.#isUsed ??= this.#sql.exec('SELECT 1 AS used FROM thread_users LIMIT 1').toArray().length > 0)
  }

  /** Whether the user has read reply `seq` in the thread. */
  hasRead(root: number, user: string, seq: number): boolean {
    return this.of(root, user).read >= seq
  }

  replies(root: number, bounds: { readonly after: number } | { readonly before: number }, limit: number): number[] {
    const [which, order, seq] =
      'after' in bounds ? (['>', 'ASC', bounds.after] as const) : (['<', 'DESC', bounds.before] as const)
    const page = `SELECT seq FROM messages WHERE thread = ? AND seq ${which} ? ORDER BY seq ${order} LIMIT ?`
    return this.#sql
      .exec<{ seq: number }>(page, root, seq, limit)
      .toArray()
      .map((row) => row.seq)
  }

  /** What the roots in `first`…`last` show of their threads; of those whose replies are all deleted nothing. */
  between(first: number, last: number): Map<number, Summary> {
    const repliers = `SELECT root, user FROM thread_users WHERE root BETWEEN ? AND ? AND first IS NOT NULL ORDER BY root, first`
    const rows = this.#sql.exec<{ root: number; user: string }>(repliers, first, last).toArray()
    const found = new Map<number, Summary>()
    for (const [root, users] of Map.groupBy(rows, (row) => row.root)) {
      const newest = `SELECT seq, user, at FROM messages WHERE thread = ? AND ${isLive} ORDER BY seq DESC LIMIT 1`
      const [reply] = this.#sql.exec<{ seq: number; user: string; at: number }>(newest, root).toArray()
      if (reply === undefined) continue
      const names = users.slice(0, sizes.shownRepliers).map(({ user }) => user)
      const { seq, user, at } = reply
      found.set(root, { count: this.#count(root), last: { seq, user, at }, users: names, userCount: users.length })
    }
    return found
  }

  /** An erased user is named by the pseudonym among those that replied in threads after `after` and up to `upTo`, and follows none. */
  erase({ user, pseudonym }: ErasedUser, after: number, upTo: number): number {
    this.#replied.clear()
    const theirs = 'root > ? AND root <= ? AND user = ?'
    const renamed = `UPDATE OR REPLACE thread_users SET user = ?, follows = NULL, read = 0 WHERE ${theirs} RETURNING root`
    return this.#sql.exec(renamed, pseudonym, after, upTo, user).toArray().length
  }

  clear(): void {
    this.#sql.exec('DELETE FROM thread_users')
    this.#replied.clear()
    this.#isUsed = undefined
    this.newestMention = 0
  }

  /** Replies that are not deleted. */
  #count(root: number): number {
    const count = `SELECT coalesce((SELECT reply FROM messages WHERE thread = ?1 ORDER BY seq DESC LIMIT 1), 0)
      - (SELECT count(*) FROM amendments WHERE thread = ?1 AND text IS NULL) AS n`
    return this.#sql.exec<{ n: number }>(count, root).one().n
  }

  #newest(root: number): number | undefined {
    const newest = 'SELECT max(seq) AS seq FROM messages WHERE thread = ?'
    return this.#sql.exec<{ seq: number | null }>(newest, root).one().seq ?? undefined
  }

  /** Parts that a condition on `thread_users` selects, by the newest reply. What it costs follows from what is unread, not from the length of the thread. */
  #parts(where: string, ...bindings: (string | number)[]): (FollowedThread & { readonly follows: boolean })[] {
    const parts = `SELECT root, follows, read, coalesce(newest, root) AS last,
        coalesce((SELECT reply FROM messages WHERE seq = newest), 0)
        - coalesce((SELECT before.reply FROM messages before WHERE before.thread = root AND before.seq <= read ORDER BY before.seq DESC LIMIT 1), 0)
        - (SELECT count(*) FROM amendments WHERE amendments.thread = root AND amendments.ref > read AND amendments.text IS NULL) AS unread
      FROM (SELECT root, follows,
          max(read, coalesce((SELECT own.seq FROM messages own WHERE own.thread = root AND own.seq > read AND own.user = thread_users.user
            ORDER BY own.seq DESC LIMIT 1), 0)) AS read,
          (SELECT max(reply.seq) FROM messages reply WHERE reply.thread = root) AS newest
        FROM thread_users WHERE ${where})
      ORDER BY last DESC, root DESC`
    return this.#sql
      .exec<{ root: number; follows: number; read: number; last: number; unread: number }>(parts, ...bindings)
      .toArray()
      .map(({ follows, ...part }) => ({ ...part, follows: follows === 1 }))
  }

  #noteUse(): void {
    this.#isUsed = true
    this.#used()
  }

  /** Whether this was done since the actor started. */
  #knows(what: string): boolean {
    if (this.#replied.has(what)) return true
    if (this.#replied.size >= maxRemembered) this.#replied.clear()
    this.#replied.add(what)
    return false
  }
}

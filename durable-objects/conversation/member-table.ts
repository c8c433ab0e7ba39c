import type { Members } from '../../src/conversations/ports.ts'
import type { Member, Role } from '../../src/conversations/types.ts'
import type { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'

/** Their JSON stays below what SQLite takes as one value. */
const membersPerStatement = 1000
/** With more members the rows are not read when the actor wakes, but each when it is needed. */
const readAtOnce = 200
/** The setting that says that, and what would else follow from all rows; empty while a change may not be reported. */
const settledKey = 'members'

type MemberRow = {
  readonly user: string
  readonly role: string
  readonly joined_at: number
  readonly read: number
  readonly joined: number
  readonly read_untold: number
  readonly inbox_untold: number
}
const columns = 'user, role, joined_at, read, joined, read_untold, inbox_untold'

/**
 * The members of one conversation, in memory as far as they were needed, and written through. Read cursors that move because
 * their member sent a message are kept in memory until the next `keep`: after a crash they follow from the log and from
 * `recall`. Rows that are read are billed, so an actor that wakes does not read ten thousand of them for a message: once
 * everything is reported, a setting says how many members there are, and is emptied by the next change.
 */
export class MemberTable implements Members {
  readonly #sql: Sql
  readonly #settings: Settings
  #members = new Map<string, Member>()
  /** Whether all rows are in `#members`. */
  #isWhole = true
  #count = 0
  /** Members whose cursor is ahead of their row. */
  readonly #moved = new Set<string>()
  /** Members whose inbox does not know that they are, each with the number of their joining. */
  readonly #newcomers = new Map<string, number>()
  #joins = 0
  /** Members whose state the Activity actor may not know. */
  #unreported = new Set<string>()
  /** How many times rows got another cursor or a new member. */
  #changes = 0

  /** `version` is that of the conversation. */
  constructor(sql: Sql, settings: Settings, exists: boolean, version: number) {
    this.#sql = sql
    this.#settings = settings
    if (!exists) return
    const settled = this.#settled(version)
    if (settled !== undefined) {
      this.#isWhole = false
      this.#count = settled.count
      this.#changes = settled.changes
      return
    }
    for (const row of this.#rows('ORDER BY user')) {
      this.#changes = Math.max(this.#changes, row.read_untold)
      if (row.inbox_untold === 1) this.#newcomers.set(row.user, 0)
      this.#members.set(row.user, toMember(row))
    }
    this.#count = this.#members.size
  }

  get(user: string): Member | undefined {
    const known = this.#members.get(user)
    if (known !== undefined || this.#isWhole) return known
    const [row] = this.#rows('WHERE user = ?', user)
    if (row === undefined) return undefined
    const member = toMember(row)
    this.#members.set(user, member)
    return member
  }

  count(): number {
    return this.#count
  }

  all(): IterableIterator<Member> {
    this.#readAll()
    return this.#members.values()
  }

  after(user: string, limit: number): Member[] {
    return [...this.all()]
      .filter((member) => member.user > user)
      .sort((a, b) => (a.user < b.user ? -1 : 1))
      .slice(0, limit)
  }

  some(limit: number): Member[] {
    if (this.#isWhole || limit > readAtOnce) return [...this.all()].slice(0, limit)
    return this.#rows('ORDER BY user LIMIT ?', limit).map((row) => this.#members.get(row.user) ?? toMember(row))
  }

  /** Everything is reported at this version of the conversation: the next instance need not look through all members. */
  settle(version: number): void {
    if (this.#count <= readAtOnce || this.hasUnreported || this.#newcomers.size > 0) return
    this.#settings.set(settledKey, `${version} ${this.#count} ${this.#changes}`)
  }

  /** Adds or changes a member. A new one is among the `newcomers`. */
  put(member: Member): void {
    const { user, role, joinedAt, read, joined } = member
    this.#unsettle()
    if (this.get(user) === undefined) {
      this.#newcomers.set(user, ++this.#joins)
      this.#count++
    }
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
    this.#count += members.length
  }

  remove(user: string): void {
    this.#unsettle()
    if (this.get(user) !== undefined) this.#count--
    this.#sql.exec('DELETE FROM members WHERE user = ?', user)
    this.#members.delete(user)
    this.#moved.delete(user)
    this.#newcomers.delete(user)
  }

  /** Removes every member: a conversation that begins anew has none of those of the deleted one. */
  clear(): void {
    this.#unsettle()
    this.#sql.exec('DELETE FROM members')
    this.#members.clear()
    this.#isWhole = true
    this.#count = 0
    this.#moved.clear()
    this.#newcomers.clear()
    this.#unreported.clear()
  }

  moveRead(user: string, seq: number): void {
    this.#unsettle()
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
    if (this.#isSettled) return []
    return this.#sql
      .exec<{ user: string }>('SELECT user FROM members WHERE read_untold > ?', number)
      .toArray()
      .map(({ user }) => user)
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

  get #isSettled(): boolean {
    return (this.#settings.get(settledKey) ?? '') !== ''
  }

  /** What the setting says, if it is that of the conversation as it is now: the version before does not keep it. */
  #settled(version: number): { readonly count: number; readonly changes: number } | undefined {
    const [at, count, changes] = (this.#settings.get(settledKey) ?? '').split(' ').map(Number)
    return count === undefined || changes === undefined || at !== version ? undefined : { count, changes }
  }

  /** A change is about to be written, in the same commit: until it is reported the next instance looks through all members. */
  #unsettle(): void {
    if (this.#isSettled) this.#settings.set(settledKey, '')
  }

  #readAll(): void {
    if (this.#isWhole) return
    const known = this.#members
    this.#members = new Map(this.#rows('ORDER BY user').map((row) => [row.user, known.get(row.user) ?? toMember(row)]))
    this.#isWhole = true
  }

  #rows(rest: string, ...bindings: (string | number)[]): MemberRow[] {
    return this.#sql.exec<MemberRow>(`SELECT ${columns} FROM members ${rest}`, ...bindings).toArray()
  }

  #remember(user: string, seq: number): boolean {
    const member = this.get(user)
    if (member === undefined || member.read >= seq) return false
    this.#members.set(user, { ...member, read: seq })
    return true
  }
}

const toMember = ({ user, role, joined_at, read, joined }: MemberRow): Member => ({
  user,
  role: asRole(role),
  joinedAt: joined_at,
  read,
  joined,
})

const asRole = (value: unknown): Role => (value === 'owner' || value === 'admin' ? value : 'member')

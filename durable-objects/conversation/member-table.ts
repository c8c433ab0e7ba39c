import type { Members } from '../../src/conversations/ports.ts'
import type { Member } from '../../src/conversations/types.ts'
import type { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'
import { MemberRows } from './member-rows.ts'

/** With more members the rows are not read when the actor wakes, but each when it is needed. */
const readAtOnce = 200

/**
 * The members of one conversation, in memory as far as they were needed, and written through. Read cursors that move because
 * their member sent a message are kept in memory until the next `keep`: after a crash they follow from the log and from
 * `recall`. Rows that are read are billed, so an actor that wakes does not read ten thousand of them for a message: once
 * everything is reported, a setting says how many members there are, and is emptied by the next change.
 */
export class MemberTable implements Members {
  readonly #rows: MemberRows
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
    this.#rows = new MemberRows(sql, settings)
    if (!exists) return
    const settled = this.#rows.settled(version)
    if (settled !== undefined) {
      this.#isWhole = false
      this.#count = settled.count
      this.#changes = settled.changes
      return
    }
    for (const { member, change, isNew } of this.#rows.all()) {
      this.#changes = Math.max(this.#changes, change)
      if (isNew) this.#newcomers.set(member.user, 0)
      this.#members.set(member.user, member)
    }
    this.#count = this.#members.size
  }

  get(user: string): Member | undefined {
    const known = this.#members.get(user)
    if (known !== undefined || this.#isWhole) return known
    const member = this.#rows.of(user)?.member
    if (member !== undefined) this.#members.set(user, member)
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
    return this.#rows.some(limit).map(({ member }) => this.#members.get(member.user) ?? member)
  }

  /** Everything is reported at this version of the conversation: the next instance need not look through all members. */
  settle(version: number): void {
    if (this.#count <= readAtOnce || this.hasUnreported || this.#newcomers.size > 0) return
    this.#rows.settle(version, this.#count, this.#changes)
  }

  /** Adds or changes a member. A new one is among the `newcomers`. */
  put(member: Member): void {
    this.#rows.unsettle()
    if (this.get(member.user) === undefined) {
      this.#newcomers.set(member.user, ++this.#joins)
      this.#count++
    }
    this.#rows.put(member, ++this.#changes)
    this.#members.set(member.user, member)
  }

  /** Adds the members of a new conversation. */
  putAll(members: readonly Member[]): void {
    this.#rows.putAll(members)
    for (const member of members) this.#members.set(member.user, member)
    this.#count += members.length
  }

  remove(user: string): void {
    this.#rows.unsettle()
    if (this.get(user) !== undefined) this.#count--
    this.#rows.remove(user)
    this.#members.delete(user)
    this.#moved.delete(user)
    this.#newcomers.delete(user)
  }

  /** Removes every member: a conversation that begins anew has none of those of the deleted one. */
  clear(): void {
    this.#rows.unsettle()
    this.#rows.clear()
    this.#members.clear()
    this.#isWhole = true
    this.#count = 0
    this.#moved.clear()
    this.#newcomers.clear()
    this.#unreported.clear()
  }

  moveRead(user: string, seq: number): void {
    this.#rows.unsettle()
    this.#rows.moveRead(user, seq, ++this.#changes)
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
      if ((this.#newcomers.get(user) ?? Infinity) <= joins && this.#newcomers.delete(user)) this.#rows.introduced(user)
  }

  /** The number of the newest change of a row. */
  get changes(): number {
    return this.#changes
  }

  /** The members whose rows changed after change number `number`. */
  changedAfter(number: number): string[] {
    return number >= this.#changes || this.#rows.isSettled ? [] : this.#rows.changedAfter(number)
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
    for (const [user, read] of Object.entries(this.moved())) this.#rows.keepRead(user, read)
    this.#moved.clear()
  }

  #readAll(): void {
    if (this.#isWhole) return
    const known = this.#members
    this.#members = new Map(this.#rows.all().map(({ member }) => [member.user, known.get(member.user) ?? member]))
    this.#isWhole = true
  }

  #remember(user: string, seq: number): boolean {
    const member = this.get(user)
    if (member === undefined || member.read >= seq) return false
    this.#members.set(user, { ...member, read: seq })
    return true
  }
}

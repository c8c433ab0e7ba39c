import type { ReadState } from '../../src/events/activity.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { MemberTable } from './member-table.ts'
import type { MentionTable } from './mention-table.ts'
import type { MessageLog } from './message-log.ts'
import { messagesUpTo } from './message-numbers.ts'

/** What is unread of one conversation, counted from its own tables: the number that all others must agree with. */
export class UnreadCounter {
  readonly #sql: SqlStorage
  readonly #log: MessageLog
  readonly #amendments: AmendmentTable
  readonly #members: MemberTable
  readonly #mentions: MentionTable

  constructor(
    sql: SqlStorage,
    log: MessageLog,
    amendments: AmendmentTable,
    members: MemberTable,
    mentions: MentionTable,
  ) {
    this.#sql = sql
    this.#log = log
    this.#amendments = amendments
    this.#members = members
    this.#mentions = mentions
  }

  /** Messages of the user's own are never after the cursor: sending one moves it there. */
  of(user: string): ReadState | undefined {
    const read = this.#members.get(user)?.read
    if (read === undefined) return undefined
    const last = this.#log.top()
    const number = this.#log.number()
    if (read >= last) return { last, number, read, unread: 0, mentions: 0 }
    const unread = number - messagesUpTo(this.#sql, read) - this.#amendments.deletedAfter(read)
    const mentions = this.#mentions.liveAfter(read).filter(({ users, everyone }) => everyone || users.includes(user))
    return { last, number, read, unread, mentions: mentions.length }
  }
}

import type { OpenWindow } from '../../src/notifications/runs/run.ts'
import type { NoticeTable } from './notice-table.ts'
import type { FeedHead, FeedTable } from './sql-feed.ts'
import { unknownRecipient, type Recipient, type UserTable } from './sql-users.ts'

/** Of each kind of question so many are asked for all users at once: keys that each user has of their own are asked one by one. */
const maxTogether = 4

export interface ReadTables {
  readonly notices: NoticeTable
  readonly users: UserTable
  readonly feeds: FeedTable
}

/** Answers to the same question for many users, by the user. */
type Answers<T> = ReadonlyMap<string, T>

/**
 * What the decisions about the users of one part read: each question is asked for all of them at once when it is asked for the first of
 * them. It holds as long as a decision writes nothing that another user's decision reads.
 */
export class PartReads {
  readonly #tables: ReadTables
  readonly #users: readonly string[]
  #recipients: Answers<Recipient> | undefined
  readonly #windows = new Map<string, Answers<OpenWindow>>()
  readonly #throttles = new Map<string, Answers<readonly number[]>>()
  readonly #heads = new Map<string, Answers<FeedHead>>()

  constructor(tables: ReadTables, users: readonly string[]) {
    this.#tables = tables
    this.#users = users
  }

  recipient(user: string): Recipient {
    this.#recipients ??= this.#tables.users.recipients(this.#users)
    return this.#recipients.get(user) ?? unknownRecipient(user)
  }

  window(user: string, key: string): OpenWindow | undefined {
    return this.#ask(this.#windows, user, key, (users) => this.#tables.notices.windows(users, key))
  }

  throttle(user: string, key: string): readonly number[] {
    return this.#ask(this.#throttles, user, key, (users) => this.#tables.notices.throttles(users, key)) ?? []
  }

  head(user: string, feed: string): FeedHead | undefined {
    return this.#ask(this.#heads, user, feed, (users) => this.#tables.feeds.heads(users, feed))
  }

  #ask<T>(
    known: Map<string, Answers<T>>,
    user: string,
    key: string,
    ask: (users: readonly string[]) => Answers<T>,
  ): T | undefined {
    let answers = known.get(key)
    if (answers === undefined) {
      if (known.size >= maxTogether) return ask([user]).get(user)
      known.set(key, (answers = ask(this.#users)))
    }
    return answers.get(user)
  }
}

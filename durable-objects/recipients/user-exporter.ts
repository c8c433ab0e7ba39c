import { exportLine } from '../../src/protocol/export-lines.ts'
import type { ExportedPart } from '../../src/tenants/export-page.ts'
import { userText } from '../../src/notifications/users/profile.ts'
import type { Sql } from '../shared/sql.ts'
import type { RunDecider } from './run-decider.ts'
import type { BlockTable } from './sql-blocks.ts'
import type { FeedTable } from './sql-feed.ts'
import type { UserTable } from './sql-users.ts'

interface Tables {
  readonly users: UserTable
  readonly feeds: FeedTable
  readonly runs: RunDecider
  readonly blocks: BlockTable
}

/** A part ends after so many characters. */
const maxChars = 400_000

/** The tables whose column `user` says of whom a row is, each with the line that carries it; null where none does. */
export const exportedTables: Readonly<Record<string, string | null>> = {
  users: 'user',
  feed_items: 'feed-item',
  notices: 'notice',
  topic_subscribers: 'subscription',
  blocks: 'block',
  // Counts of the items, and what limits notifications for a while.
  feeds: null,
  throttles: null,
}

/** Writes what the actor keeps of a user as lines: the profile with the preferences and blocks, the feed, and what was decided of notifications. */
export class UserExporter {
  readonly #sql: Sql
  readonly #tables: Tables

  constructor(sql: Sql, tables: Tables) {
    this.#sql = sql
    this.#tables = tables
  }

  /** `cursor` is "" for the first part, and then `next` of the part before. */
  part(user: string, cursor: string, limit: number): ExportedPart {
    const [, stage = 'user', rest = ''] = /^(feed|notices) (.*)$/s.exec(cursor) ?? []
    if (stage === 'feed') return this.#feed(user, rest, limit)
    if (stage === 'notices') return this.#notices(user, rest, limit)
    return { lines: this.#profile(user), next: 'feed ' }
  }

  /** The same of all users in the order of their ids. A cursor is the user, a space, and a cursor of the user. */
  page(cursor: string, limit: number): ExportedPart {
    const lines: string[] = []
    let chars = 0
    let [, user = '', inner = 'end'] = /^(\S+) (.*)$/s.exec(cursor) ?? []
    while (lines.length < limit && chars < maxChars) {
      if (inner === 'end') {
        const following = this.#userAfter(user)
        if (following === undefined) return { lines, next: null }
        ;[user, inner] = [following, '']
      }
      const part = this.part(user, inner, limit - lines.length)
      lines.push(...part.lines)
      chars += part.lines.reduce((sum, line) => sum + line.length, 0)
      inner = part.next ?? 'end'
    }
    return { lines, next: `${user} ${inner}` }
  }

  /** One seek in each table. */
  #userAfter(after: string): string | undefined {
    const seek = (table: string) =>
      this.#sql.exec<{ user: string | null }>(`SELECT min(user) AS user FROM ${table} WHERE user > ?`, after).one().user
    const found = Object.keys(exportedTables).flatMap((table) => seek(table) ?? [])
    return found.reduce<string | undefined>(
      (first, user) => (first === undefined || user < first ? user : first),
      undefined,
    )
  }

  #profile(user: string): string[] {
    const blocks = this.#tables.blocks.of(user).map((blocked) => exportLine('block', { user, blocked }))
    const stored = this.#tables.users.find(user)
    if (stored === undefined) return blocks
    const preferences = this.#tables.users.preferences(user)
    const lines = [exportLine('user', { user }, { profile: userText(stored) })]
    if (preferences !== undefined) lines.push(exportLine('preferences', { user, preferences }))
    return [...lines, ...blocks]
  }

  #feed(user: string, rest: string, limit: number): ExportedPart {
    const [, digits = '0', feed = ''] = /^(\d+) (.*)$/s.exec(rest) ?? []
    const items = this.#tables.feeds.after(user, feed, Number(digits), limit)
    const kept = fitting(items, ({ item }) => exportLine('feed-item', { user, item }))
    const last = items[kept.length - 1]
    const isOver = last === undefined || (kept.length === items.length && items.length < limit)
    return { lines: kept, next: isOver ? 'notices ' : `feed ${last.n} ${last.item.feed}` }
  }

  #notices(user: string, after: string, limit: number): ExportedPart {
    const { runs } = this.#tables
    const names = runs.notices.notificationsOf(user, after, Math.min(limit, 50))
    const kept = fitting(names, (notification) => {
      const view = runs.view({ user, notification })
      return view === undefined ? '' : exportLine('notice', { user, notification, notice: view })
    })
    const last = names[kept.length - 1]
    return { lines: kept.filter((line) => line !== ''), next: last === undefined ? null : `notices ${last}` }
  }
}

/** The lines of the first items, one at least, as far as they fit into a part. */
function fitting<T>(items: readonly T[], lineOf: (item: T) => string): string[] {
  const lines: string[] = []
  let chars = 0
  for (const item of items) {
    if (chars > maxChars) break
    const line = lineOf(item)
    lines.push(line)
    chars += line.length
  }
  return lines
}

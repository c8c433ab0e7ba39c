import { shownWithout, type ErasedUser } from '../../src/events/erased-user.ts'
import type { SharedUpdate } from '../../src/inbox/notes.ts'

/** Takes an erased user out of what members of a conversation share. Returns whether the user was in it. */
export function eraseShown(sql: SqlStorage, conversation: string, erased: ErasedUser): boolean {
  const [row] = sql.exec<{ news: string }>('SELECT news FROM conversations WHERE id = ?', conversation).toArray()
  if (row === undefined) return false
  const known: SharedUpdate = JSON.parse(row.news)
  const without = shownWithout(known, erased)
  if (without === undefined) return false
  sql.exec('UPDATE conversations SET news = ? WHERE id = ?', JSON.stringify(without), conversation)
  return true
}

/** Conversations that a user is or was in, after `after`, in their order. */
export function conversationsOf(sql: SqlStorage, user: string, after: string, limit: number): string[] {
  const listed = 'SELECT conversation FROM notes WHERE user = ? AND conversation > ? ORDER BY conversation LIMIT ?'
  return sql
    .exec<{ conversation: string }>(listed, user, after, limit)
    .toArray()
    .map(({ conversation }) => conversation)
}

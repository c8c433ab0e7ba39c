import { shownWithout, type ErasedUser } from '../../src/events/erased-user.ts'
import type { InboxEntry } from '../../src/inbox/entry.ts'

/** Conversations that the user is or was in, after `after`, in their order. */
export function conversationsAfter(sql: SqlStorage, after: string, limit: number): string[] {
  const listed = 'SELECT conversation FROM entries WHERE conversation > ? ORDER BY conversation LIMIT ?'
  return sql
    .exec<{ conversation: string }>(listed, after, limit)
    .toArray()
    .map(({ conversation }) => conversation)
}

/**
 * Takes an erased user out of what is shown of a conversation, without a place in the stream: clients learn of it from the conversation.
 * Returns whether the user was in it.
 */
export function eraseShown(sql: SqlStorage, conversation: string, erased: ErasedUser): boolean {
  const found = 'SELECT entry FROM entries WHERE conversation = ?'
  const [row] = sql.exec<{ entry: string }>(found, conversation).toArray()
  if (row === undefined) return false
  const entry: InboxEntry = JSON.parse(row.entry)
  const without = shownWithout(entry, erased)
  if (without === undefined) return false
  sql.exec('UPDATE entries SET entry = ? WHERE conversation = ?', JSON.stringify(without), conversation)
  return true
}

/** Deletes all entries. Returns how many there were. */
export function clearEntries(sql: SqlStorage): number {
  const { rows } = sql.exec<{ rows: number }>('SELECT count(*) AS rows FROM entries').one()
  sql.exec('DELETE FROM entries')
  return rows
}

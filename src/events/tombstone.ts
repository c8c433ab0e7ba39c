/**
 * What replaces a deleted message: its seq, author, time and thread, without its content. Every copy of the log (memory,
 * Postgres, a cached page) stores this instead.
 */
export function tombstone(data: string): string {
  return JSON.stringify(tombstoneOf(JSON.parse(data)))
}

/** The same of an entry that was parsed. */
export const tombstoneOf = (message: Readonly<Record<string, unknown>>) => {
  const { alsoInConversation, thread, id, user, at, clientId } = message
  return { type: 'message', alsoInConversation, thread, id, user, at, clientId, deleted: true }
}

/** What replaces an edit of a deleted message: the edit, without its text. */
export function tombstoneOfEdit(data: string): string {
  const edit: Record<string, unknown> = JSON.parse(data)
  return JSON.stringify({ ...edit, text: '', content: undefined, deleted: true })
}

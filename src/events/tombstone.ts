/**
 * What stands where a deleted message was: its place, author and time, and none of its words.
 * Whoever keeps a copy of the log (memory, Postgres, a cached page) puts this there.
 */
export function tombstone(data: string): string {
  const { id, user, at, clientId }: { id?: string; user?: string; at?: number; clientId?: string } = JSON.parse(data)
  return JSON.stringify({ type: 'message', id, user, at, clientId, deleted: true })
}

/** What stands where an edit of a deleted message was: the edit, and none of its words. */
export function tombstoneOfEdit(data: string): string {
  const edit: Record<string, unknown> = JSON.parse(data)
  return JSON.stringify({ ...edit, text: '', deleted: true })
}

/**
 * What replaces a deleted message: its seq, author and time, without its content. Every copy of the log (memory,
 * Postgres, a cached page) stores this instead.
 */
export function tombstone(data: string): string {
  const { id, user, at, clientId }: { id?: string; user?: string; at?: number; clientId?: string } = JSON.parse(data)
  return JSON.stringify({ type: 'message', id, user, at, clientId, deleted: true })
}

/** What replaces an edit of a deleted message: the edit, without its text. */
export function tombstoneOfEdit(data: string): string {
  const edit: Record<string, unknown> = JSON.parse(data)
  return JSON.stringify({ ...edit, text: '', deleted: true })
}

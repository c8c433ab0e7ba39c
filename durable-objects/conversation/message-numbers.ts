type Numbered = { seq: number; number: number }

/**
 * How many messages there are up to entry `seq`. Entries of earlier versions have no number: theirs follows from the next
 * entry that has one, or where there is none, from the last one before.
 */
export function messagesUpTo(sql: SqlStorage, seq: number): number {
  if (seq <= 0) return 0
  const next = numbered(sql, 'seq >= ? AND number IS NOT NULL ORDER BY seq LIMIT 1', seq)
  if (next !== undefined) return next.number - messagesBetween(sql, seq, next.seq)
  const last = numbered(sql, 'seq < ? AND number IS NOT NULL ORDER BY seq DESC LIMIT 1', seq)
  return (last?.number ?? 0) + messagesBetween(sql, last?.seq ?? 0, seq)
}

const numbered = (sql: SqlStorage, where: string, seq: number): Numbered | undefined =>
  sql.exec<Numbered>(`SELECT seq, number FROM messages WHERE ${where}`, seq).toArray()[0]

function messagesBetween(sql: SqlStorage, after: number, upTo: number): number {
  if (upTo <= after) return 0
  const count = 'SELECT count(*) AS n FROM messages WHERE seq > ? AND seq <= ? AND client_id IS NOT NULL'
  return sql.exec<{ n: number }>(count, after, upTo).one().n
}

/** Membership and the page in one round trip, by the primary keys of both. */
export const pageStatement = `
  select seq, user_id, client_id, text, at from messages
  where conversation = $1 and seq < $2 and exists (select from members where conversation = $1 and user_id = $3)
  order by seq desc limit $4`

export interface MessageRow {
  readonly seq: number
  readonly user_id: string
  readonly client_id: string
  readonly text: string
  readonly at: number
}

/** A page as HTTP answers it. */
export function pageOf(conversation: string, rows: readonly MessageRow[], limit: number) {
  const messages = rows.map(({ seq, user_id, client_id, text, at }) => ({
    seq,
    type: 'message',
    id: `${conversation}.${seq}`,
    user: user_id,
    at,
    clientId: client_id,
    text,
  }))
  return { messages, before: messages.length === limit ? (messages.at(-1)?.seq ?? null) : null }
}

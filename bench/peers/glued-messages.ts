import type { Pool } from 'pg'
import { z } from 'zod'

/** A message as it comes in. */
export interface NewMessage {
  conversation: string
  author: string
  clientId: string
  text: string
}

/** What became of it. */
export interface Stored {
  id: string
  at: Date
  duplicate: boolean
}

const schema = `
  create table if not exists messages (
    id bigint generated always as identity,
    conversation uuid not null,
    author text not null,
    client_id uuid not null,
    text text not null,
    at timestamptz not null default now(),
    primary key (conversation, id),
    unique (conversation, author, client_id)
  )
`
const insert = `
  insert into messages (conversation, author, client_id, text) values ($1, $2, $3, $4)
  on conflict (conversation, author, client_id) do nothing
  returning id, at`
const find = 'select id, at from messages where conversation = $1 and author = $2 and client_id = $3'
const row = z.object({ id: z.string(), at: z.date() })

/** The messages table: one prepared INSERT per message, committed before it returns. */
export async function createMessages(pool: Pool): Promise<{ store(message: NewMessage): Promise<Stored> }> {
  await pool.query(schema)
  return {
    async store({ conversation, author, clientId, text }) {
      const inserted = await pool.query({
        name: 'store',
        text: insert,
        values: [conversation, author, clientId, text],
      })
      if (inserted.rows.length === 1) return { ...row.parse(inserted.rows[0]), duplicate: false }

      const known = await pool.query({ name: 'find', text: find, values: [conversation, author, clientId] })
      return { ...row.parse(known.rows[0]), duplicate: true }
    },
  }
}

import type { Pool } from 'pg'
import { z } from 'zod'
import { pageOf, pageStatement, type MessageRow } from './postgres-page.ts'

/** Times are milliseconds and numbers small enough for JavaScript, which spares the driver a conversion per value. */
export const schema = `
  create table conversations (id uuid primary key, type text not null, name text not null);
  create table members (
    conversation uuid not null references conversations, user_id text not null, last_read integer not null,
    primary key (conversation, user_id)
  );
  create index members_user on members (user_id, conversation);
  create table messages (
    conversation uuid not null references conversations, seq integer not null, user_id text not null,
    client_id uuid not null, text text not null, at double precision not null,
    primary key (conversation, seq)
  );
`

const membership = 'select from members where conversation = $1 and user_id = $2'

const list = `
  select c.id, c.type, c.name, m.last_read as read, l.seq as last, l.seq - m.last_read as unread, l.at,
    l.user_id as by, left(l.text, 140) as text, p.members, p.count
  from members m
  join conversations c on c.id = m.conversation
  join lateral (
    select seq, at, user_id, text from messages where conversation = c.id order by seq desc limit 1
  ) l on true
  join lateral (
    select (array_agg(user_id order by user_id))[1:10] as members, count(*)::integer as count
    from members where conversation = c.id
  ) p on true
  where m.user_id = $1
  order by l.at desc, c.id desc limit $2`

const unread = `
  select coalesce(sum(l.seq - m.last_read), 0)::integer as unread
  from members m
  join lateral (select seq from messages where conversation = m.conversation order by seq desc limit 1) l on true
  where m.user_id = $1`

interface ListRow {
  id: string
  type: string
  name: string
  read: number
  last: number
  unread: number
  at: number
  by: string
  text: string
  members: string[]
  count: number
}

const count = z.tuple([z.object({ unread: z.number() })])

/** Reads as an application does that keeps its chat in Postgres: a prepared statement for each request. */
export class PostgresReads {
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** Newest first; undefined when the user is no member. */
  async page(user: string, conversation: string, before: number, limit: number) {
    const values = [conversation, before, user, limit]
    const { rows } = await this.#pool.query<MessageRow>({ name: 'page', text: pageStatement, values })
    if (rows.length === 0 && !(await this.#isMember(user, conversation))) return undefined
    return pageOf(conversation, rows, limit)
  }

  async list(user: string, limit: number) {
    const { rows } = await this.#pool.query<ListRow>({ name: 'list', text: list, values: [user, limit] })
    const conversations = rows.map(({ id, type, name, last, read, unread, at, by, text, members, count }) => {
      return { id, type, name, last, read, unread, at, preview: { user: by, text }, members, memberCount: count }
    })
    return { conversations, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null }
  }

  async unread(user: string) {
    return count.parse((await this.#pool.query({ name: 'unread', text: unread, values: [user] })).rows)[0]
  }

  async #isMember(user: string, conversation: string): Promise<boolean> {
    const found = await this.#pool.query({ name: 'membership', text: membership, values: [conversation, user] })
    return found.rowCount === 1
  }
}

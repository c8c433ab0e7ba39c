import { z } from 'zod'
import type { Reader } from './read-shard.ts'
import { setTenants } from './set-tenants.ts'

/** What a shard is asked for; patterns are tsquery texts with ~ where the tenant and the week belong. */
export interface SearchQuestion {
  readonly tenant: string
  readonly all: string
  /** The words that are marked; "" for none. */
  readonly any: string
  /** The user whose conversations are searched; null for all of the tenant. */
  readonly reader: string | null
  readonly conversation: string | null
  readonly author: string | null
  readonly thread: number | null
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Only what is before this place, in the order of time, conversation and seq. */
  readonly upTo: { readonly at: number; readonly conversation: string; readonly seq: number }
  readonly limit: number
  /** By relevance: only messages with a score below, or this score and a place before. */
  readonly ranked?: { readonly below: number; readonly place: SearchQuestion['upTo'] | null; readonly among: number }
  /** Milliseconds after which no further weeks are looked at, and after which Postgres ends the statement. */
  readonly scanMs: number
  readonly statementMs: number
}

const columns = `f.conversation_id AS conversation, f.seq, round(extract(epoch FROM f.sent_at) * 1000)::int8 AS at, f.score,
  m.user_id AS "user", m.thread, m.text, m.version,
  ARRAY(SELECT unnest(w.positions) FROM unnest(m.words::tsvector) AS w
    WHERE $13 <> '' AND array_to_tsvector(ARRAY[w.lexeme]) @@ marked.words ORDER BY 1) AS positions`
const joined = `found f CROSS JOIN (SELECT with_query_stems($13)::tsquery AS words) AS marked
LEFT JOIN message_search m ON m.tenant_id = $14 AND m.conversation_id = f.conversation_id AND m.seq = f.seq`
const call = `search_messages($1, $2, $3, $4, $5, $6::bigint, to_timestamp($7::bigint / 1000.0), to_timestamp($8::bigint / 1000.0),
  $9, $10::bigint, $11::int, $12::int)`

const newest = `
WITH found AS MATERIALIZED (SELECT * FROM ${call})
SELECT ${columns} FROM ${joined} ORDER BY f.sent_at DESC, f.conversation_id DESC, f.seq DESC`

const ranked = `
WITH found AS MATERIALIZED (
  SELECT * FROM ${call} AS every
  WHERE every.conversation_id IS NOT NULL AND (score, sent_at, conversation_id, seq)
    < ($15::real, to_timestamp($16::bigint / 1000.0), $17, $18::bigint)
  ORDER BY score DESC, sent_at DESC, conversation_id DESC, seq DESC LIMIT $19
)
SELECT ${columns} FROM ${joined} ORDER BY f.score DESC, f.sent_at DESC, f.conversation_id DESC, f.seq DESC`

const numbers = z.union([
  z.array(z.coerce.number()),
  z.string().transform((text) => text.replaceAll(/[{}]/g, '').split(',').filter(Boolean).map(Number)),
])
const rows = z.array(
  z.object({
    conversation: z.string().nullable(),
    seq: z.coerce.number().nullable(),
    at: z.coerce.number(),
    score: z.coerce.number(),
    user: z.string().nullable(),
    thread: z.coerce.number().nullable(),
    text: z.string().nullable(),
    version: z.coerce.number().nullable(),
    positions: numbers,
  }),
)

/** A message that was found. `text` is as of entry `version`; `positions` are the words of it that were looked for. */
export interface FoundMessage {
  readonly conversation: string
  readonly seq: number
  readonly at: number
  readonly score: number
  readonly user: string
  readonly thread: number | null
  readonly text: string
  readonly positions: readonly number[]
}

const filled = `
SELECT p.epoch FROM placements p WHERE p.tenant_id = $1 AND p.state = 'active' AND NOT EXISTS (
  SELECT 1 FROM search_settings s WHERE s.tenant_id = p.tenant_id AND s.name = 'filled' AND s.value = '{"of":"done"}')`

/** A page of what was found; `reached`: there may be more before this time, which has not been looked at. */
export interface FoundPage {
  readonly found: readonly FoundMessage[]
  readonly reached?: number
  /** The epoch of the tenant's placement, where its older messages are not all in the search yet. */
  readonly unfilledAt?: number
}

/** Asks the shard; the statement is ended by Postgres after `statementMs`. */
export async function searchMessages(reader: Reader, question: SearchQuestion): Promise<FoundPage> {
  const { tenant, all, any, conversation, author, thread, since, upTo, limit, scanMs, statementMs } = question
  const { ranked: order } = question
  const wanted = order === undefined ? limit : order.among
  const params = [
    all,
    order === undefined ? null : any === '' ? null : any,
    question.reader,
    conversation,
    author,
    thread,
    since,
    upTo.at,
    upTo.conversation,
    upTo.seq,
    wanted,
    scanMs,
    any,
    tenant,
  ]
  const further =
    order === undefined
      ? []
      : [String(order.below), order.place?.at ?? upTo.at, order.place?.conversation ?? '', order.place?.seq ?? 0, limit]
  const [, , answer, left] = await reader.read((db) => [
    setTenants(db, [tenant]),
    db.query(`SELECT set_config('statement_timeout', $1, true)`, [String(statementMs)]),
    db.query(order === undefined ? newest : ranked, [...params, ...further]),
    db.query(filled, [tenant]),
  ])
  const unfilledAt = z.array(z.object({ epoch: z.coerce.number() })).parse(left)[0]?.epoch
  const parsed = rows.parse(answer)
  const found = parsed.flatMap(({ conversation: id, seq, user, text, ...rest }) =>
    id === null || seq === null || text === null ? [] : [{ ...rest, conversation: id, seq, user: user ?? '', text }],
  )
  const reached = parsed.find(({ conversation: id }) => id === null)?.at
  return {
    found,
    ...(reached === undefined ? {} : { reached }),
    ...(unfilledAt === undefined ? {} : { unfilledAt }),
  }
}

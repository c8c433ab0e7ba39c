import { z } from 'zod'
import type { MonthChecksum } from '../../history/checksum.ts'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** The entries of a conversation from `first` to `last`, both included. */
export interface CheckedRange {
  readonly conversation: string
  readonly first: number
  readonly last: number
}

/** The first 64 bits of a SHA-256, as `history/checksum.ts` makes them. */
const hash64 = (text: string) =>
  `('x' || left(encode(sha256(convert_to(${text}, 'UTF8')), 'hex'), 16))::bit(64)::bigint`
const ms = (time: string) => `round(extract(epoch FROM ${time}) * 1000)::bigint`
/** A deleted message, as Postgres writes it (scrub-messages.ts) or as its conversation does. */
const bodyOf = `CASE WHEN body LIKE '{"type" : "message%' OR body LIKE '%"deleted":true}' THEN '' ELSE body END`
const entryHash = hash64(
  String.raw`concat(epoch, E'\n', seq, E'\n', ${ms('sent_at')}, E'\n', user_id, E'\n', client, E'\n', CASE WHEN client_id IS NULL THEN '-' ELSE '+' || client_id END, E'\n', ${bodyOf})`,
)
const hashed = `seq, to_char(sent_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, ${entryHash} AS hash`

/**
 * Messages and archive together: where an entry lies makes no difference, and one that is in both counts once. One checksum for
 * each conversation and month.
 */
export const checksumStatement = `
WITH ranges AS (
  SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS r(conversation_id, first, last)
), entries AS (
  SELECT r.conversation_id, e.* FROM ranges r, LATERAL (
    SELECT ${hashed} FROM messages
    WHERE tenant_id = $1 AND conversation_id = r.conversation_id AND seq BETWEEN r.first AND r.last
    UNION
    SELECT ${hashed} FROM archive a,
      unnest(a.seqs, a.sent_ats, a.user_ids, a.clients, a.client_ids, a.bodies) AS e(seq, sent_at, user_id, client, client_id, body)
    WHERE a.tenant_id = $1 AND a.conversation_id = r.conversation_id
      AND a.page BETWEEN (r.first - 1) / 100 AND (r.last - 1) / 100 AND e.seq BETWEEN r.first AND r.last
  ) AS e
)
SELECT conversation_id, month, count(*) AS entries, bit_xor(hash)::text AS checksum FROM entries
GROUP BY 1, 2 ORDER BY 1, 2`

const propertiesStatement = String.raw`
SELECT c.conversation_id, (${hash64(String.raw`concat_ws(E'\n', c.type, c.name, c.epoch, c.created_by, ${ms('c.created_at')}, coalesce(${ms('c.deleted_at')}::text, ''), c.version, c.properties)`)}
  # coalesce((SELECT bit_xor(${hash64(String.raw`concat_ws(E'\n', m.user_id, m.role, ${ms('m.joined_at')})`)}) FROM members m
    WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id), 0))::text AS checksum
FROM conversations c WHERE c.tenant_id = $1 AND c.conversation_id = ANY ($2::text[])`

const countStatement = `
SELECT r.conversation_id, (
  SELECT count(*) FROM (
    SELECT seq FROM messages
    WHERE tenant_id = $1 AND conversation_id = r.conversation_id AND epoch = r.epoch AND seq < r.upto
    UNION
    SELECT e.seq FROM archive a, unnest(a.seqs) AS e(seq)
    WHERE a.tenant_id = $1 AND a.conversation_id = r.conversation_id AND a.epoch = r.epoch AND e.seq < r.upto
  ) AS found) AS entries
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS r(conversation_id, epoch, upto)`

const monthRows = z.array(
  z.object({
    conversation_id: z.string(),
    month: z.string(),
    entries: z.coerce.number(),
    checksum: z.string(),
  }),
)
const propertyRows = z.array(z.object({ conversation_id: z.string(), checksum: z.string() }))
const countRows = z.array(z.object({ conversation_id: z.string(), entries: z.coerce.number() }))

/** Checksums of a tenant's entries by conversation and month; a conversation without entries in its range has none. */
export async function selectChecksums(
  db: Database,
  tenant: string,
  ranges: readonly CheckedRange[],
): Promise<Map<string, MonthChecksum[]>> {
  const [, found] = await db.transaction(
    [
      setTenants(db, [tenant]),
      db.query(checksumStatement, [
        tenant,
        ranges.map(({ conversation }) => conversation),
        ranges.map(({ first }) => first),
        ranges.map(({ last }) => last),
      ]),
    ],
    { readOnly: true },
  )
  const byConversation = new Map<string, MonthChecksum[]>()
  for (const { conversation_id, month, entries, checksum } of monthRows.parse(found)) {
    const months = byConversation.get(conversation_id) ?? []
    months.push({ month, entries, checksum })
    byConversation.set(conversation_id, months)
  }
  return byConversation
}

/** One checksum of the properties and members of each of these conversations that there is. */
export async function selectPropertiesChecksums(
  db: Database,
  tenant: string,
  conversations: readonly string[],
): Promise<Map<string, string>> {
  const [, found] = await db.transaction(
    [setTenants(db, [tenant]), db.query(propertiesStatement, [tenant, conversations])],
    { readOnly: true },
  )
  return new Map(propertyRows.parse(found).map(({ conversation_id, checksum }) => [conversation_id, checksum]))
}

/** Entries of a log before one of its seqs. */
export interface OldRange {
  readonly conversation: string
  readonly epoch: string
  readonly before: number
}

/** How many entries of each log are in Postgres, archived or not, before a seq. */
export async function countOldEntries(
  db: Database,
  tenant: string,
  ranges: readonly OldRange[],
): Promise<Map<string, number>> {
  const [, found] = await db.transaction(
    [
      setTenants(db, [tenant]),
      db.query(countStatement, [
        tenant,
        ranges.map(({ conversation }) => conversation),
        ranges.map(({ epoch }) => epoch),
        ranges.map(({ before }) => before),
      ]),
    ],
    { readOnly: true },
  )
  return new Map(countRows.parse(found).map(({ conversation_id, entries }) => [conversation_id, entries]))
}

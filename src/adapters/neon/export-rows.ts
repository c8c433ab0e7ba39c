import { z } from 'zod'
import type { Database, Statement } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** A statement of an export is ended by Postgres after this time: it holds up no other tenant's. */
const statementMs = 10_000

/** Entries of a conversation that are exported: those after `after` up to `upTo`, all of them or those of one user. */
export interface ExportedRange {
  readonly tenant: string
  /** The epoch of the tenant's placement on this shard. */
  readonly placementEpoch: number
  readonly conversation: string
  readonly after: number
  readonly upTo: number
  /** Only entries that this user wrote, or that have the id in JSON as `name` in their text. */
  readonly user?: { readonly id: string; readonly name: string } | undefined
}

const exportedRow = z.object({
  seq: z.coerce.number(),
  at: z.coerce.number(),
  user_id: z.string(),
  client_id: z.string().nullable(),
  body: z.string(),
})
export type ExportedRow = z.output<typeof exportedRow>

/** One statement, so that no entry is missed that goes into the archive at the same time; an entry may be in both. */
const entries = `
SELECT seq, (extract(epoch FROM at) * 1000)::bigint AS at, user_id, client_id, body FROM (
SELECT DISTINCT ON (seq) seq, at, user_id, client_id, body FROM (
SELECT seq, sent_at AS at, user_id, client_id, body FROM messages
WHERE tenant_id = $1 AND conversation_id = $2 AND seq BETWEEN $3::bigint + 1 AND $4::bigint
UNION ALL
SELECT e.seq, e.at, e.user_id, e.client_id, e.body
FROM archive a, unnest(a.seqs, a.sent_ats, a.user_ids, a.client_ids, a.bodies) AS e(seq, at, user_id, client_id, body)
WHERE a.tenant_id = $1 AND a.conversation_id = $2 AND a.page BETWEEN $3::bigint / 100 AND ($4::bigint - 1) / 100
  AND e.seq BETWEEN $3::bigint + 1 AND $4::bigint
) AS log WHERE $5::text IS NULL OR user_id = $5 OR strpos(body, $6) > 0
ORDER BY seq) AS found ORDER BY seq LIMIT $7`

/** Read after the rows: those of a tenant that has left may be deleted already. */
const placement = `SELECT epoch FROM placements WHERE tenant_id = $1 AND state <> 'gone'`

/** The first `limit` entries of a range, in order. Throws when the tenant is placed elsewhere. */
export async function selectExported(db: Database, of: ExportedRange, limit: number): Promise<ExportedRow[]> {
  const { tenant, conversation, after, upTo, user } = of
  const params = [tenant, conversation, after, upTo, user?.id ?? null, user?.name ?? '', limit]
  const [found, placed] = await inTransaction(db, tenant, [db.query(entries, params), db.query(placement, [tenant])])
  const [known] = z.array(z.object({ epoch: z.coerce.number() })).parse(placed)
  if (known?.epoch !== of.placementEpoch) throw new Error('the tenant is placed elsewhere by now')
  return z.array(exportedRow).parse(found)
}

/** In the order of their characters, as actors list theirs. */
const conversationsOfUser = `
SELECT conversation_id AS name FROM (
  SELECT conversation_id FROM members WHERE tenant_id = $1 AND user_id = $2
  UNION SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND (type = 'channel' OR created_by = $2)
) AS found WHERE conversation_id COLLATE "C" > $3 ORDER BY conversation_id COLLATE "C" LIMIT $4`

/** Conversations that a user is a member of or has made, and channels, in which every user may be mentioned; after `after`. */
export async function selectConversationsOfUser(
  db: Database,
  { tenant, user }: { readonly tenant: string; readonly user: string },
  after: string,
  limit: number,
): Promise<string[]> {
  const [rows] = await inTransaction(db, tenant, [db.query(conversationsOfUser, [tenant, user, after, limit])])
  return z
    .array(z.object({ name: z.string() }))
    .parse(rows)
    .map(({ name }) => name)
}

async function inTransaction(db: Database, tenant: string, statements: readonly Statement[]) {
  const limit = db.query(`SELECT set_config('statement_timeout', $1, true)`, [String(statementMs)])
  const [, , ...found]: unknown[] = await db.transaction([setTenants(db, [tenant]), limit, ...statements])
  return found
}

import { z } from 'zod'
import type { Publication } from '../../protocol/replies.ts'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/**
 * The archive is read with it: nobody who reads history knows where which part of it lies. An entry is in both when it was
 * written once more after it had been archived, which changes nothing.
 */
const statement = `
SELECT DISTINCT ON (seq) seq, user_id, client, body FROM (
SELECT seq, user_id, client, body FROM messages
WHERE tenant_id = $1 AND conversation_id = $2 AND epoch = $3 AND seq BETWEEN $4::bigint AND $5::bigint
UNION ALL
SELECT e.seq, e.user_id, e.client, e.body
FROM archive a, unnest(a.seqs, a.user_ids, a.clients, a.bodies) AS e(seq, user_id, client, body)
WHERE a.tenant_id = $1 AND a.conversation_id = $2 AND a.epoch = $3
  AND a.page BETWEEN ($4::bigint - 1) / 100 AND ($5::bigint - 1) / 100 AND e.seq BETWEEN $4::bigint AND $5::bigint
) AS log ORDER BY seq`

const rows = z.array(z.object({ seq: z.coerce.number(), user_id: z.string(), client: z.string(), body: z.string() }))

/** Entries `first`…`last` of one conversation's log, ascending, as they were said. */
export async function selectMessages(
  db: Database,
  at: { readonly tenant: string; readonly conversation: string; readonly epoch: string },
  range: { readonly first: number; readonly last: number },
): Promise<Publication[]> {
  const select = db.query(statement, [at.tenant, at.conversation, at.epoch, range.first, range.last])
  const [, found] = await db.transaction([setTenants(db, [at.tenant]), select], { readOnly: true })
  return rows
    .parse(found)
    .map(({ seq, user_id, client, body }) => ({ offset: seq, data: body, info: { user: user_id, client } }))
}

import { z } from 'zod'
import type { Publication } from '../../protocol/replies.ts'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

const statement = `
SELECT seq::int8 AS seq, user_id, client, body FROM messages
WHERE tenant_id = $1 AND conversation_id = $2 AND epoch = $3 AND seq BETWEEN $4 AND $5
ORDER BY seq`

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

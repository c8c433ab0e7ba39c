import { z } from 'zod'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

const rows = z.array(z.object({ conversation_id: z.string() }))

const page = `
SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND conversation_id > $2 ORDER BY conversation_id LIMIT $3`
const known = `
SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND conversation_id = ANY ($2::text[])`

/** Conversations of a tenant that its shard has, after `cursor`, in order. */
export async function selectConversations(
  db: Database,
  tenant: string,
  cursor: string,
  limit: number,
): Promise<string[]> {
  return await ids(db, tenant, page, [cursor, limit])
}

/** Those of `conversations` that the shard has. */
export async function knownConversations(
  db: Database,
  tenant: string,
  conversations: readonly string[],
): Promise<Set<string>> {
  return new Set(await ids(db, tenant, known, [conversations]))
}

async function ids(db: Database, tenant: string, statement: string, rest: readonly unknown[]): Promise<string[]> {
  const [, found] = await db.transaction([setTenants(db, [tenant]), db.query(statement, [tenant, ...rest])], {
    readOnly: true,
  })
  return rows.parse(found).map(({ conversation_id }) => conversation_id)
}

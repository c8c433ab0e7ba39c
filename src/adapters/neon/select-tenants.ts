import { z } from 'zod'
import type { Database } from './connect.ts'

const statement = 'SELECT tenant_id FROM tenants WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2'

/** Tenant ids of the directory after `cursor`, in order. */
export async function selectTenants(db: Database, cursor: string, limit: number): Promise<string[]> {
  const rows = z.array(z.object({ tenant_id: z.string() })).parse(await db.query(statement, [cursor, limit]))
  return rows.map(({ tenant_id }) => tenant_id)
}

/** A tenant as the directory has it. `at`: when it was first written there, ms since 1970. */
export interface ListedTenant {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly shard: string
  readonly at: number
}

const pageStatement = `
SELECT tenant_id AS id, name, state, shard, floor(extract(epoch FROM created_at) * 1000)::float8 AS at
FROM tenants WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2`

const listed = z.array(
  z.object({ id: z.string(), name: z.string(), state: z.string(), shard: z.string(), at: z.number() }),
)

/** Tenants of the directory after `cursor`, in the order of their ids. */
export async function pageOfTenants(db: Database, cursor: string, limit: number): Promise<ListedTenant[]> {
  return listed.parse(await db.query(pageStatement, [cursor, limit]))
}

import { z } from 'zod'
import type { Database } from './connect.ts'

const statement = `
SELECT tenant_id FROM placements WHERE state = 'active' AND tenant_id > $1 ORDER BY tenant_id LIMIT $2`

/** Tenants that live on a shard, after `cursor`, in order. */
export async function selectPlaced(db: Database, cursor: string, limit: number): Promise<string[]> {
  const rows = z.array(z.object({ tenant_id: z.string() })).parse(await db.query(statement, [cursor, limit]))
  return rows.map(({ tenant_id }) => tenant_id)
}

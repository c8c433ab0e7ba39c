import { z } from 'zod'
import type { Database } from './connect.ts'

const statement = 'SELECT coalesce(max(number), 0) AS number FROM schema_migrations'

/** The number of the newest migration this database has run; proves that it answers. */
export async function selectMigration(db: Database): Promise<number> {
  const [row] = z.array(z.object({ number: z.coerce.number() })).parse(await db.query(statement))
  return row?.number ?? 0
}

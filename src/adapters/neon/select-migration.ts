import { NeonDbError } from '@neondatabase/serverless'
import { z } from 'zod'
import type { Database } from './connect.ts'

const statement = 'SELECT coalesce(max(number), 0) AS number FROM schema_migrations'

/** The SQLSTATE of a table that does not exist. */
const undefinedTable = '42P01'

/** The number of the newest migration this database has run, 0 where it has run none; proves that it answers. */
export async function selectMigration(db: Database): Promise<number> {
  try {
    const [row] = z.array(z.object({ number: z.coerce.number() })).parse(await db.query(statement))
    return row?.number ?? 0
  } catch (thrown) {
    if (thrown instanceof NeonDbError && thrown.code === undefinedTable) return 0
    throw thrown
  }
}

import { z } from 'zod'
import type { Database } from './connect.ts'

const statement = 'SELECT drop_empty_partitions($1::date) AS dropped'

/** Drops the empty message partitions of months before `month` (its first day); returns how many. */
export async function dropEmptyPartitions(db: Database, month: string): Promise<number> {
  const [row] = z.array(z.object({ dropped: z.number() })).parse(await db.query(statement, [month]))
  return row?.dropped ?? 0
}

import type { Database } from './connect.ts'

/**
 * Creates the message partitions of the given months where they are missing (see migrations:
 * `create_message_partition`).
 */
const statement = `SELECT create_message_partition(month::date) FROM unnest($1::text[]) AS month`

/** `months` as first days, `2026-11-01`. */
export async function createPartitions(db: Database, months: readonly string[]): Promise<void> {
  await db.query(statement, [months])
}

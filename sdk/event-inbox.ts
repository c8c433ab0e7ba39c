import type { ObjectStorage } from './object-storage.ts'

/**
 * Makes the effect of each event once. An event may be delivered more than once, always with the same id (`webhook-id`, or the `id`
 * of a pulled event). The id is noted in the transaction of the effect, so that both are there or neither.
 */

/** The table, for Postgres and SQLite. Rows older than the topic keeps its events may be deleted. */
export const inboxTable = `CREATE TABLE IF NOT EXISTS parley_inbox (
  delivery TEXT PRIMARY KEY,
  received_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)`

/** A client or transaction of `pg` and what is like it. */
export interface PostgresTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rowCount: number | null }>
}

/** A database of `node:sqlite`, `better-sqlite3` and what is like them. */
export interface SqliteDatabase {
  prepare(sql: string): { run(...values: string[]): { readonly changes: number | bigint } }
}

/**
 * Runs `effect` unless the delivery was handled before; returns whether it ran. Call it within the transaction in which the effect is made,
 * and roll that back when it throws. Two transactions with the same delivery wait for each other.
 */
export async function oncePerDelivery(
  transaction: PostgresTransaction,
  delivery: string,
  effect: () => Promise<void>,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    'INSERT INTO parley_inbox (delivery) VALUES ($1) ON CONFLICT (delivery) DO NOTHING',
    [delivery],
  )
  if (rowCount === 0) return false
  await effect()
  return true
}

/** The same in SQLite, within a transaction that is open. */
export function oncePerDeliverySync(database: SqliteDatabase, delivery: string, effect: () => void): boolean {
  const { changes } = database
    .prepare('INSERT INTO parley_inbox (delivery) VALUES (?) ON CONFLICT (delivery) DO NOTHING')
    .run(delivery)
  if (Number(changes) === 0) return false
  effect()
  return true
}

/** The same in a Durable Object with SQLite. The table and the transaction are made here; `effect` must not wait for anything. */
export function oncePerDeliveryInObject(storage: ObjectStorage, delivery: string, effect: () => void): boolean {
  return storage.transactionSync(() => {
    storage.sql.exec(inboxTable)
    const noted = storage.sql
      .exec(
        'INSERT INTO parley_inbox (delivery) VALUES (?) ON CONFLICT (delivery) DO NOTHING RETURNING delivery',
        delivery,
      )
      .toArray()
    if (noted.length > 0) effect()
    return noted.length > 0
  })
}

import { z } from 'zod'
import type { KeyColumn, TableStore, TableName } from '../../tenants/stores.ts'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** A statement that deletes or counts is ended by Postgres after this time: it holds up no other tenant's. */
const statementMs = 10_000

type Table = TableStore & { readonly name: TableName }

/** Rows that were deleted, and the key of the last of them; null at the end. */
export interface DeletedRows {
  readonly deleted: number
  readonly last: readonly string[] | null
}

const deletedRows = z.array(z.object({ deleted: z.coerce.number(), last: z.string() }))
const key = z.array(z.string())

/**
 * Deletes at most `limit` rows of a tenant, in the order of the table's key, after the key `after`. One that is repeated finds its
 * rows gone.
 */
export async function deleteRows(
  db: Database,
  { name, key: columns }: Table,
  tenant: string,
  { after, limit }: { readonly after: readonly string[] | null; readonly limit: number },
): Promise<DeletedRows> {
  const names = columns.map((column) => column.name)
  const statement =
    names.length === 0
      ? `WITH gone AS (DELETE FROM ${name} WHERE tenant_id = $1 RETURNING 1) SELECT count(*) AS deleted, '' AS last FROM gone`
      : `WITH due AS (
           SELECT ${names.join(', ')} FROM ${name} WHERE tenant_id = $1 ${after === null ? '' : `AND (${names.join(', ')}) > (${casts(columns)})`}
           ORDER BY ${names.join(', ')} LIMIT ${limit}
         ), gone AS (
           DELETE FROM ${name} t USING due d WHERE t.tenant_id = $1 AND ${names.map((each) => `t.${each} = d.${each}`).join(' AND ')} RETURNING 1
         )
         SELECT (SELECT count(*) FROM gone) AS deleted, coalesce((
           SELECT json_build_array(${names.map((each) => `${each}::text`).join(', ')})::text FROM due
           ORDER BY ${names.map((each) => `${each} DESC`).join(', ')} LIMIT 1), '') AS last`
  const [row] = deletedRows.parse(await inTransaction(db, tenant, statement, [tenant, ...(after ?? [])]))
  const last = row?.last ?? ''
  return { deleted: row?.deleted ?? 0, last: last === '' ? null : key.parse(JSON.parse(last)) }
}

/** How many rows a table has of a tenant. */
export async function countRows(db: Database, table: TableName, tenant: string): Promise<number> {
  const found = await inTransaction(db, tenant, `SELECT count(*) AS rows FROM ${table} WHERE tenant_id = $1`, [tenant])
  return z.array(z.object({ rows: z.coerce.number() })).parse(found)[0]?.rows ?? 0
}

/** Ids of a tenant's conversations, or of the users in them, after `after`, in order. */
export async function selectNames(
  db: Database,
  of: 'conversations' | 'users',
  tenant: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const [table, column] = of === 'users' ? ['members', 'user_id'] : ['conversations', 'conversation_id']
  const statement = `SELECT DISTINCT ${column} AS name FROM ${table} WHERE tenant_id = $1 AND ${column} > $2 ORDER BY 1 LIMIT ${limit}`
  const found = await inTransaction(db, tenant, statement, [tenant, after])
  return z
    .array(z.object({ name: z.string() }))
    .parse(found)
    .map(({ name }) => name)
}

/** From now on the shard takes no row of the tenant: writers are answered that it is placed elsewhere. */
export async function refuseRows(db: Database, tenant: string): Promise<void> {
  await db.transaction([
    db.query(`UPDATE placements SET state = 'gone' WHERE tenant_id = $1 AND state <> 'gone'`, [tenant]),
  ])
}

async function inTransaction(db: Database, tenant: string, statement: string, params: readonly string[]) {
  const limit = db.query(`SELECT set_config('statement_timeout', $1, true)`, [String(statementMs)])
  const [, , found] = await db.transaction([setTenants(db, [tenant]), limit, db.query(statement, [...params])])
  return found
}

const casts = (columns: readonly KeyColumn[]): string =>
  columns.map(({ type }, place) => `$${place + 2}::${type}`).join(', ')

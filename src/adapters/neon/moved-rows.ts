import { z } from 'zod'
import type { KeyColumn, TableStore } from '../../tenants/stores.ts'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** A noted change: the row's key as a JSON object, without the tenant. */
export interface NotedKey {
  readonly id: string
  readonly table: string
  readonly key: string
}

/** The keys of a table's changed rows as a JSON array, each once; undefined when there are none. */
export function newKeys(notes: readonly NotedKey[], table: string): string | undefined {
  const keys = new Set(notes.flatMap((note) => (note.table === table ? [note.key] : [])))
  return keys.size === 0 ? undefined : `[${[...keys].join(',')}]`
}

/** Rows after one key, up to another; null is before the first row, and after the last. */
export interface KeyRange {
  readonly after: string | null
  readonly upTo: string | null
}

/** The sum of the checksums of rows. */
export interface Checksum {
  readonly rows: number
  readonly digest: string
}

/** The next rows: at most so many, after a key. */
export interface NextRows {
  readonly cursor: string | null
  readonly limit: number
}

/** Characters of JSON that one statement reads, at most, unless a single row is longer. */
const maxChars = 1_000_000

/** The statements that move the rows of one table. Rows travel as the JSON text that Postgres made, which is not parsed here. */
export type MovedRows = ReturnType<typeof rowsOf>

export function rowsOf({ name, key }: TableStore & { readonly name: string }) {
  const list = (of: (column: KeyColumn) => string) => key.map(of).join(', ')
  const ordered = list((column) => `t.${column.name}`)
  const keyText = `json_build_array(${ordered})::text`
  const keyObject = `json_build_object(${list((column) => `'${column.name}', t.${column.name}`)})::text`
  /** The columns of a cursor, which is a JSON array, as values of their types. */
  const cursorAt = (parameter: number) =>
    list((column) => `(($${parameter}::json)->>${key.indexOf(column)})::${column.type}`)
  const whereIn = ({ after, upTo }: KeyRange) =>
    [
      't.tenant_id = $1',
      ...(after === null ? [] : [`(t.tenant_id, ${ordered}) > ($1, ${cursorAt(2)})`]),
      ...(upTo === null ? [] : [`(t.tenant_id, ${ordered}) <= ($1, ${cursorAt(after === null ? 2 : 3)})`]),
    ].join(' AND ')
  const valuesOf = (tenant: string, { after, upTo }: KeyRange) => [
    tenant,
    ...(after === null ? [] : [after]),
    ...(upTo === null ? [] : [upTo]),
  ]
  const digest = `coalesce(sum(hash_record_extended(t, 0)), 0)::text`
  const isKey = key.map((column) => `t.${column.name} = k.${column.name}`).join(' AND ')
  const rowsOfKeys = (keys: string) =>
    `json_populate_recordset(NULL::${name}, ${keys}::json) AS k JOIN ${name} AS t ON t.tenant_id = $1 AND ${isKey}`
  const ofKeys = rowsOfKeys('$2')
  const content = `'[' || coalesce(string_agg(to_json(t)::text, ','), '') || ']' AS body, count(*) AS rows, ${digest} AS digest`
  const month = key.some(({ type }) => type === 'timestamptz')
    ? `to_char(t.${key.find(({ type }) => type === 'timestamptz')?.name ?? ''} AT TIME ZONE 'UTC', 'YYYY-MM')`
    : `''`
  const group = `t.${key[0]?.name ?? ''}::text || ' ' || ${month}`
  const readOne = async <T>(db: Database, tenant: string, schema: z.ZodType<T>, text: string, values: unknown[]) => {
    const [, rows] = await db.transaction([setTenants(db, [tenant]), db.query(text, values)], { readOnly: true })
    return z.array(schema).parse(rows)
  }

  return {
    name,

    /** The next rows as a JSON array, and the key of the last of them; null when there are none. */
    async read(db: Database, tenant: string, { cursor, limit }: NextRows) {
      const range = { after: cursor, upTo: null }
      const text = `
WITH page AS MATERIALIZED (
  SELECT ${ordered}, ${keyText} AS cursor, to_json(t)::text AS line FROM ${name} AS t
  WHERE ${whereIn(range)} ORDER BY ${ordered} LIMIT ${limit}
), sized AS (
  SELECT row_number() OVER (ORDER BY ${ordered}) AS place, t.cursor, t.line,
    sum(length(t.line)) OVER (ORDER BY ${ordered} ROWS UNBOUNDED PRECEDING) - length(t.line) AS before FROM page AS t
)
SELECT '[' || coalesce(string_agg(line, ',' ORDER BY place), '') || ']' AS body, count(*) AS rows,
  (array_agg(cursor ORDER BY place DESC))[1] AS cursor
FROM sized WHERE before < ${maxChars}`
      const found = await readOne(db, tenant, page, text, valuesOf(tenant, range))
      return found[0] ?? { body: '[]', rows: 0, cursor: null }
    },

    /** Rows that are there already are left as they are: what changed of them since is noted. */
    insert: (db: Database, body: string) =>
      db.query(
        `INSERT INTO ${name} SELECT * FROM json_populate_recordset(NULL::${name}, $1::json) ON CONFLICT DO NOTHING`,
        [body],
      ),

    /** The rows of these keys, with their checksum. */
    readKeys: (db: Database, tenant: string, keys: string) =>
      db.query(`SELECT ${content} FROM ${ofKeys}`, [tenant, keys]),
    /** A part of a statement: the same for the keys of this table in `noted_keys (of_table, keys)`. */
    notedRows: `n.of_table, n.keys, r.* FROM noted_keys AS n CROSS JOIN LATERAL (SELECT ${content} FROM ${rowsOfKeys('n.keys')}) AS r
  WHERE n.of_table = '${name}'`,
    /** A part of a statement: number and checksum of the rows whose keys are this parameter. */
    checksum: (parameter: number) => `(SELECT count(*) || ' ' || ${digest} FROM ${rowsOfKeys(`$${parameter}`)})`,
    checkKeys: (db: Database, tenant: string, keys: string) =>
      db.query(`SELECT count(*) AS rows, ${digest} AS digest FROM ${ofKeys}`, [tenant, keys]),
    deleteKeys: (db: Database, tenant: string, keys: string) =>
      db.query(
        `DELETE FROM ${name} AS t USING json_populate_recordset(NULL::${name}, $2::json) AS k WHERE t.tenant_id = $1 AND ${isKey}`,
        [tenant, keys],
      ),

    /** The key of the last of the next rows; null when there are no more than these. */
    async end(db: Database, tenant: string, { cursor, limit }: NextRows): Promise<string | null> {
      const range = { after: cursor, upTo: null }
      const text = `SELECT ${keyText} AS cursor FROM ${name} AS t WHERE ${whereIn(range)} ORDER BY ${ordered} OFFSET ${limit - 1} LIMIT 1`
      const found = await readOne(db, tenant, z.object({ cursor: z.string() }), text, valuesOf(tenant, range))
      return found[0]?.cursor ?? null
    },

    /** The checksum of each conversation and month. */
    async checksums(db: Database, tenant: string, range: KeyRange): Promise<Map<string, Checksum>> {
      const text = `SELECT ${group} AS "group", count(*) AS rows, ${digest} AS digest FROM ${name} AS t WHERE ${whereIn(range)} GROUP BY 1`
      const found = await readOne(db, tenant, checksum, text, valuesOf(tenant, range))
      return new Map(found.map(({ group: of, ...rest }) => [of, rest]))
    },

    /** The checksum of each row by its key, and the conversation and month that it belongs to. */
    async digests(db: Database, tenant: string, range: KeyRange) {
      const text = `SELECT ${keyObject} AS key, hash_record_extended(t, 0)::text AS digest,
  ${group} AS "group" FROM ${name} AS t WHERE ${whereIn(range)}`
      const found = await readOne(db, tenant, rowDigest, text, valuesOf(tenant, range))
      return new Map(found.map(({ key: of, ...rest }) => [of, rest]))
    },

    deleteRange: (db: Database, tenant: string, range: KeyRange) =>
      db.query(
        `WITH gone AS (DELETE FROM ${name} AS t WHERE ${whereIn(range)} RETURNING 1) SELECT count(*) AS rows FROM gone`,
        valuesOf(tenant, range),
      ),
  }
}

const page = z.object({ body: z.string(), rows: z.coerce.number(), cursor: z.string().nullable() })
const checksum = z.object({ group: z.string(), rows: z.coerce.number(), digest: z.string() })
const rowDigest = z.object({ key: z.string(), digest: z.string(), group: z.string() })

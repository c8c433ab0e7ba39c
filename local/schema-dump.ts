import type { Client } from 'pg'

/** Whether an object belongs to an extension, whose parts are none of ours. */
const isOfExtension = (oid: string) => `EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = ${oid} AND e.deptype = 'e')`

/** What the catalog knows of a database, part by part; each query gives lines in an order that never changes. */
const parts: readonly string[] = [
  `SELECT format('TABLE %s%s%s', c.relname,
      CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END,
      CASE WHEN c.relispartition THEN ' PARTITION ' || pg_get_expr(c.relpartbound, c.oid) ELSE '' END) AS line
   FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
     AND NOT ${isOfExtension('c.oid')} ORDER BY c.relname`,
  `SELECT format('COLUMN %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
      coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
     AND NOT ${isOfExtension('c.oid')} ORDER BY c.relname, a.attnum`,
  `SELECT format('CONSTRAINT %s.%s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line
   FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY conrelid::regclass::text, conname`,
  `SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`,
  `SELECT format('ROW LEVEL SECURITY %s%s', relname, CASE WHEN relforcerowsecurity THEN ' FORCED' ELSE '' END) AS line
   FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity ORDER BY relname`,
  `SELECT format('POLICY %s ON %s FOR %s USING %s CHECK %s', policyname, tablename, cmd, qual, with_check) AS line
   FROM pg_policies WHERE schemaname = 'public' ORDER BY tablename, policyname`,
  `SELECT pg_get_functiondef(p.oid) AS line FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
     AND NOT ${isOfExtension('p.oid')} ORDER BY proname`,
  `SELECT pg_get_triggerdef(oid) AS line FROM pg_trigger t WHERE NOT tgisinternal AND tgparentid = 0
     AND (SELECT relnamespace FROM pg_class WHERE oid = t.tgrelid) = 'public'::regnamespace ORDER BY tgrelid::regclass::text, tgname`,
  `SELECT format('GRANT %s ON %s TO %s', string_agg(privilege_type, ', ' ORDER BY privilege_type), table_name, grantee) AS line
   FROM information_schema.role_table_grants WHERE table_schema = 'public' AND grantee <> current_user
   GROUP BY table_name, grantee ORDER BY table_name, grantee`,
  `SELECT format('GRANT EXECUTE ON %s TO %s', routine_name, grantee) AS line FROM information_schema.role_routine_grants
   WHERE specific_schema = 'public' AND grantee <> current_user ORDER BY routine_name, grantee`,
]

/** A database's schema as text: equal texts, equal schemas. */
export async function dumpSchema(session: Client): Promise<string> {
  const sections: string[] = []
  for (const part of parts) {
    const { rows } = await session.query<{ line: string }>(part)
    if (rows.length > 0) sections.push(rows.map(({ line }) => line).join('\n'))
  }
  return `${sections.join('\n\n')}\n`
}

/** Partitions come and go with the months, so that no snapshot has them. */
const isOfMonth = (line: string): boolean => /\bmessages_\d{4}_\d{2}(?:\b|_)/.test(line)

const linesOf = (text: string) => text.split('\n').filter((line) => line.trim() !== '' && !isOfMonth(line))

/**
 * How a schema differs from what it should be: `- ` before a line that is missing, `+ ` before one that is not expected. Empty
 * when both are equal, but for partitions of months.
 */
export function schemaDrift(expected: string, found: string): string[] {
  const left = linesOf(found)
  const missing = linesOf(expected).filter((line) => {
    const at = left.indexOf(line)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return [...missing.map((line) => `- ${line}`), ...left.map((line) => `+ ${line}`)]
}

import { z } from 'zod'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

const selectSettings = `SELECT name, value FROM search_settings WHERE tenant_id = $1`

/** A language is another one, or none: all messages are then added once more. */
const removeSettings = `DELETE FROM search_settings WHERE tenant_id = $1`
const insertLanguage = `INSERT INTO search_settings (tenant_id, name, value) VALUES ($1, 'language', $2)`

/** What a tenant has chosen for its search. */
export interface StoredSearchSettings {
  readonly language: string | null
  /** Whether all older messages have been added. */
  readonly isFilled: boolean
}

export async function readSearchSettings(db: Database, tenant: string): Promise<StoredSearchSettings> {
  const [, rows] = await db.transaction([setTenants(db, [tenant]), db.query(selectSettings, [tenant])])
  const values = new Map(
    z
      .array(z.object({ name: z.string(), value: z.string() }))
      .parse(rows)
      .map(({ name, value }) => [name, value]),
  )
  return { language: values.get('language') ?? null, isFilled: values.get('filled') === '{"of":"done"}' }
}

export async function writeSearchLanguage(db: Database, tenant: string, language: string | null): Promise<void> {
  await db.transaction([
    setTenants(db, [tenant]),
    db.query(removeSettings, [tenant]),
    ...(language === null ? [] : [db.query(insertLanguage, [tenant, language])]),
  ])
}

import type { Database } from './connect.ts'

/**
 * Lets one transaction at a time move a tenant's messages into the archive or out of it. A statement of its own: the
 * next one then sees what the previous holder of the lock has done.
 */
const statement = `SELECT pg_advisory_xact_lock(hashtext('archive/' || tenant)) FROM unnest($1::text[]) AS tenant`

export const lockArchive = (db: Database, tenants: readonly string[]) => db.query(statement, [tenants.toSorted()])

import type { Database } from './connect.ts'

/** Opens the row-level security of this transaction for the named tenants only. Tenant ids hold no comma. */
export const setTenants = (db: Database, tenants: readonly string[]) =>
  db.query(`SELECT set_config('app.tenants', $1, true)`, [tenants.join(',')])

import { providerTables } from './provider-table.ts'
import { templateTables } from './template-table.ts'

/** Steps are appended only; see `migrate`. */
export const notificationCatalogSchema = [
  `CREATE TABLE workflow_versions (
     name TEXT NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, text TEXT NOT NULL,
     PRIMARY KEY (name, version)) WITHOUT ROWID;
   CREATE TABLE workflows (name TEXT PRIMARY KEY, newest INTEGER NOT NULL, is_deleted INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE categories (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;`,
  `CREATE TABLE topics (name TEXT PRIMARY KEY, topic INTEGER NOT NULL) WITHOUT ROWID`,
  templateTables + providerTables,
]

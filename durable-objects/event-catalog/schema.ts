/** The tables of an event catalog. `spec` is a version of a type as JSON. */
export const eventCatalogSchema: readonly string[] = [
  `CREATE TABLE types (type TEXT NOT NULL, version INTEGER NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (type, version)) WITHOUT ROWID;
   CREATE TABLE topics (name TEXT PRIMARY KEY) WITHOUT ROWID;
   CREATE TABLE consumers (name TEXT PRIMARY KEY, topic TEXT NOT NULL) WITHOUT ROWID;`,
  'CREATE TABLE processes (name TEXT PRIMARY KEY, topics TEXT NOT NULL) WITHOUT ROWID',
]

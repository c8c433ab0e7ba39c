/**
 * The tables of a consumer. `event` is an event as JSON; times in milliseconds. `deliveries` has the newest attempt of events of a webhook;
 * `failed` is 1 where the first attempt failed.
 */
export const eventConsumerSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE retries (
     offset INTEGER PRIMARY KEY, key TEXT, event TEXT NOT NULL, attempts INTEGER NOT NULL, not_before INTEGER NOT NULL,
     reason TEXT NOT NULL);
   CREATE TABLE dead (
     offset INTEGER PRIMARY KEY, event TEXT NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL);
   CREATE TABLE leases (id TEXT PRIMARY KEY, until INTEGER NOT NULL, offsets TEXT NOT NULL) WITHOUT ROWID;`,
  `CREATE TABLE deliveries (
     offset INTEGER PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, first_at INTEGER NOT NULL,
     at INTEGER NOT NULL, attempts INTEGER NOT NULL, state TEXT NOT NULL, status INTEGER, reason TEXT, answer TEXT NOT NULL,
     duration_ms INTEGER NOT NULL, failed INTEGER NOT NULL)`,
]

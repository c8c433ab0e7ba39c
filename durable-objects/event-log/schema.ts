/**
 * The tables of an event log. `total` is the sum of the sizes of all events up to this one, so that the size of any part of the
 * log is a difference. `at` and `until` in milliseconds.
 */
export const eventLogSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE events (
     offset INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, key TEXT,
     version INTEGER NOT NULL, data TEXT, attributes TEXT, total INTEGER NOT NULL);
   CREATE UNIQUE INDEX events_by_id ON events (source, id);
   CREATE TABLE consumers (name TEXT PRIMARY KEY) WITHOUT ROWID;
   CREATE TABLE waits (
     id TEXT PRIMARY KEY, kind TEXT NOT NULL, waiter TEXT NOT NULL, type TEXT NOT NULL, correlation TEXT NOT NULL,
     until INTEGER NOT NULL, found INTEGER) WITHOUT ROWID;
   CREATE INDEX waits_for ON waits (type, correlation);
   CREATE INDEX waits_found ON waits (found) WHERE found IS NOT NULL;`,
]

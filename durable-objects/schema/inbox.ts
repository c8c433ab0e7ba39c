/** An inbox's tables: one row per conversation, whose `offset` is the place of its newest event in the stream. */
export const inboxSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE entries (
     conversation TEXT PRIMARY KEY, offset INTEGER NOT NULL, at INTEGER NOT NULL, removed INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
   CREATE UNIQUE INDEX by_offset ON entries (offset);
   CREATE INDEX by_at ON entries (removed, at, conversation);
   CREATE TABLE listeners (gateway TEXT PRIMARY KEY) WITHOUT ROWID;`,
]

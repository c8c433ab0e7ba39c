/**
 * An inbox's tables: one row per conversation, whose `offset` is the offset of its newest event in the stream. An
 * update writes nothing else: index entries are billed as rows, and every member has an inbox. Reads in another order,
 * a list or a recovery, scan all entries of the one user instead.
 */
export const inboxSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE entries (
     conversation TEXT PRIMARY KEY, offset INTEGER NOT NULL, at INTEGER NOT NULL, removed INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
   CREATE UNIQUE INDEX by_offset ON entries (offset);
   CREATE INDEX by_at ON entries (removed, at, conversation);
   CREATE TABLE listeners (gateway TEXT PRIMARY KEY) WITHOUT ROWID;`,
  `DROP INDEX by_offset;
   DROP INDEX by_at;`,
]

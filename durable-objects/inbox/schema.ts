/**
 * An inbox's tables: one row per conversation, whose `offset` is the place of its newest event in the stream. Nothing else
 * is written when a conversation tells its news: index entries are billed as rows, and every member has an inbox. What
 * needs another order, a list or somebody who comes back, reads all entries of one user instead.
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

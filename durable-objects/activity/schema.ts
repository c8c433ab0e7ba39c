/**
 * An Activity actor's tables: one row for each conversation, `changed` by the actor's own clock, and one for each listening
 * gateway; `behind` is since when a gateway lacks updates, `silent` since when it has not answered, 0 when neither is so. There is
 * no index: a row is read by its key.
 */
export const activitySchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE conversations (
     id TEXT PRIMARY KEY, at INTEGER NOT NULL, changed INTEGER NOT NULL, activity TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE gateways (name TEXT PRIMARY KEY, behind INTEGER NOT NULL, silent INTEGER NOT NULL, buckets TEXT NOT NULL) WITHOUT ROWID;`,
  // Deleted conversations, for as long as late updates of them may come.
  `CREATE TABLE deleted (id TEXT PRIMARY KEY, version INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;`,
]

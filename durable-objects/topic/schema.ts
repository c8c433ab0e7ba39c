/** A topic's tables. A stored publication is one row; an ephemeral one is none. `until` and `at` in milliseconds. */
export const topicSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE entries (offset INTEGER PRIMARY KEY, at INTEGER NOT NULL, data TEXT NOT NULL, info TEXT, tags TEXT);
   CREATE TABLE publish_keys (key TEXT PRIMARY KEY, offset INTEGER NOT NULL, epoch TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE listeners (gateway TEXT PRIMARY KEY) WITHOUT ROWID;`,
]

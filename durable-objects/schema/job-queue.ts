/** A job queue's ledger. */
export const jobQueueSchema: readonly string[] = [
  `CREATE TABLE jobs (
     id TEXT PRIMARY KEY, type TEXT NOT NULL, payload TEXT NOT NULL, run_at INTEGER NOT NULL, state TEXT NOT NULL,
     attempts INTEGER NOT NULL, since INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX by_state ON jobs (state, run_at);`,
]

/**
 * The tables of a job queue. Since step 2 the meaning of `rank` depends on the phase (see src/jobs/model/phase.ts), so that
 * one index finds what is next, what is due, what timed out and what can be deleted. Step 3 has separate indexes for jobs in
 * the line of a key and jobs with a place, so that starting a job changes neither. Table and column names are older than the
 * names in the code: `asked` holds requested runs, `visit` is a worker run, `facts` are settings.
 */
export const jobQueueSchema: readonly string[] = [
  `CREATE TABLE jobs (
     id TEXT PRIMARY KEY, type TEXT NOT NULL, payload TEXT NOT NULL, run_at INTEGER NOT NULL, state TEXT NOT NULL,
     attempts INTEGER NOT NULL, since INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX by_state ON jobs (state, run_at);`,
  `ALTER TABLE jobs RENAME TO jobs_before;
   CREATE TABLE jobs (
     seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, payload TEXT NOT NULL, phase INTEGER NOT NULL,
     rank INTEGER NOT NULL, key TEXT, attempts INTEGER NOT NULL, run INTEGER NOT NULL, visit TEXT, permitted INTEGER NOT NULL,
     made_at INTEGER NOT NULL, since INTEGER NOT NULL, progress INTEGER NOT NULL, note TEXT NOT NULL, result TEXT,
     timeout_ms INTEGER NOT NULL, options TEXT NOT NULL);
   CREATE INDEX by_rank ON jobs (phase, rank);
   CREATE INDEX by_key ON jobs (key, phase, seq) WHERE key IS NOT NULL AND phase <= 3;
   CREATE TABLE waits (awaited TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (awaited, job)) WITHOUT ROWID;
   CREATE INDEX waits_of ON waits (job);
   CREATE TABLE uniques (name TEXT PRIMARY KEY, job TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE lines (job TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (job, n)) WITHOUT ROWID;
   CREATE TABLE key_rates (key TEXT PRIMARY KEY, full_at REAL NOT NULL) WITHOUT ROWID;
   CREATE TABLE asked (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE schedules (name TEXT PRIMARY KEY, next_at INTEGER, spec TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX schedules_due ON schedules (next_at);
   CREATE TABLE listeners (channel TEXT NOT NULL, gateway TEXT NOT NULL, PRIMARY KEY (channel, gateway)) WITHOUT ROWID;
   CREATE TABLE queues (name TEXT PRIMARY KEY) WITHOUT ROWID;
   INSERT INTO jobs (id, type, payload, phase, rank, attempts, run, permitted, made_at, since, progress, note, timeout_ms, options)
     SELECT id, type, payload,
       CASE state WHEN 'done' THEN 6 WHEN 'dead' THEN 8 ELSE 4 END,
       CASE state WHEN 'done' THEN since + 604800000 WHEN 'dead' THEN since + 7776000000 ELSE run_at END,
       attempts, attempts, 0, since, since, 0, note, 60000, ''
     FROM jobs_before ORDER BY run_at;
   DROP TABLE jobs_before;`,
  `ALTER TABLE asked ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
   DROP INDEX by_key;
   CREATE INDEX in_line ON jobs (key, seq) WHERE key IS NOT NULL AND phase = 3;
   CREATE INDEX in_place ON jobs (key) WHERE key IS NOT NULL AND phase <= 2;`,
  `CREATE TABLE days (day TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;`,
  `CREATE TABLE schedule_shares (
     queue TEXT PRIMARY KEY, schedules INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;`,
  `ALTER TABLE jobs ADD COLUMN traceparent TEXT;`,
]

  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, queue TEXT, flow_key TEXT,
    position INTEGER NOT NULL, retried INTEGER NOT NULL, due_at REAL NOT NULL, active INTEGER NOT NULL,
    details TEXT NOT NULL, body BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_free ON messages (due_at, position)
    WHERE active = 0 AND queue IS NULL AND flow_key IS NULL;
  CREATE INDEX IF NOT EXISTS messages_active ON messages (flow_key) WHERE active = 1;
  CREATE INDEX IF NOT EXISTS messages_in_queue ON messages (queue, position) WHERE queue IS NOT NULL;
  CREATE INDEX IF NOT EXISTS messages_in_flow ON messages (flow_key, due_at, position)
    WHERE active = 0 AND queue IS NULL AND flow_key IS NOT NULL;
  CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, parallelism INTEGER NOT NULL, paused INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS flow_controls (
    key TEXT PRIMARY KEY, parallelism INTEGER, rate INTEGER, period_ms REAL NOT NULL, paused INTEGER NOT NULL,
    pinned_parallelism INTEGER NOT NULL, pinned_rate INTEGER NOT NULL,
    period_start REAL NOT NULL, rate_count INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS url_groups (
    name TEXT PRIMARY KEY, endpoints TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS deduplications (
    key TEXT PRIMARY KEY, message_id TEXT NOT NULL, expires_at REAL NOT NULL);
  CREATE INDEX IF NOT EXISTS deduplications_by_expiry ON deduplications (expires_at);
  CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, url TEXT NOT NULL,
    queue TEXT, details TEXT NOT NULL, body BLOB NOT NULL,
    status INTEGER, response_header TEXT NOT NULL, response_body BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, state TEXT NOT NULL, message_id TEXT NOT NULL,
    url TEXT NOT NULL, facts TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS schedules (
    id TEXT PRIMARY KEY, cron TEXT NOT NULL, destination TEXT NOT NULL, queue TEXT, options TEXT NOT NULL,
    body BLOB NOT NULL, caller_ip TEXT NOT NULL, paused INTEGER NOT NULL, created_at INTEGER NOT NULL,
    last_at INTEGER, last_states TEXT NOT NULL, next_at INTEGER, due_at REAL);
  INSERT INTO queues VALUES ('line', 1, 1, 0, 0);
  INSERT INTO flow_controls VALUES ('k', 1, NULL, 1000, 1, 0, 0, 0, 0);
  INSERT INTO url_groups VALUES ('all', '[]', 0, 0);
  INSERT INTO events (time, state, message_id, url, facts) VALUES (0, 'CREATED', 'msg_old', 'http://127.0.0.1:1/', '{}');

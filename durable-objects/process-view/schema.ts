/**
 * The tables of a process. `position` and `read_up_to` say how far a topic has been read, by offset and by the topic's time; `look_at` is
 * when an instance is judged again, by the time of its topics; `data` is an entry as JSON; `event` an event that is still to be raised.
 */
export const processViewSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE definitions (version INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, spec TEXT NOT NULL);
   CREATE TABLE topics (
     name TEXT PRIMARY KEY, position INTEGER NOT NULL, read_up_to INTEGER NOT NULL, skipped INTEGER NOT NULL,
     is_registered INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE instances (
     n INTEGER PRIMARY KEY, correlation TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, state TEXT NOT NULL, look_at INTEGER NOT NULL,
     entries INTEGER NOT NULL, marks TEXT NOT NULL);
   CREATE INDEX instances_due ON instances (version, look_at);
   CREATE INDEX instances_by_state ON instances (state, n);
   CREATE TABLE entries (instance INTEGER NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (instance, n)) WITHOUT ROWID;
   CREATE TABLE raised (n INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, event TEXT NOT NULL);
   CREATE TABLE listeners (channel TEXT NOT NULL, gateway TEXT NOT NULL, PRIMARY KEY (channel, gateway)) WITHOUT ROWID;`,
]
